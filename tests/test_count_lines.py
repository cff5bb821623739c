"""README's map tells the size of each folder as it is."""

import pytest

from tests.count_lines import END, README, START, core, counts, lines_of_code, table


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("", 0),
        ("x = 1\n\n# a comment\ny = 2  # and one more\n", 2),
        ('"""A docstring."""\nx = 1\n"""Of x,\non two lines."""\n', 1),
        ("def f():\n    '''What it does.'''\n    return '''text\n    on two lines'''\n", 3),
        ("f(\n    1,\n    2,\n)\n", 4),
    ],
)
def test_a_line_counts_if_it_holds_code(source, lines):
    assert lines_of_code(source) == lines


def test_readme_shows_the_lines_of_each_folder_as_they_are():
    text = README.read_text("utf-8")
    shown = text.split(START)[1].split(END)[0]
    assert shown == table(), "run: python -m tests.count_lines --write"


def test_every_module_is_counted_once():
    assert sum(counts().values()) > core() > 0
