"""`python -m minicache patch`: a grid, JSON, a picture, and what a user can get wrong."""

from __future__ import annotations

import json

import pytest

from minicache import HookedTransformer
from minicache.__main__ import main
from minicache.cli import patch as app

START = "When Mary and John went to the shop ,"
CLEAN, CORRUPTED = f"{START} John gave a drink to", f"{START} Mary gave a drink to"


@pytest.fixture(scope="module")
def findings():
    return app.look(HookedTransformer.from_pretrained(), CLEAN, CORRUPTED)


def test_the_likeliest_words_are_compared_and_the_word_that_differs_restores_all(findings):
    assert (findings["answer"], findings["versus"]) == ("Mary", "John")
    assert findings["clean_difference"] > 0 > findings["corrupted_difference"]
    stream = findings["stream"]
    assert stream[0][10] == pytest.approx(1)
    assert sum(abs(value) for row in stream for value in row[:10]) == pytest.approx(0, abs=1e-4)
    assert len(stream) == 3
    assert [len(row) for row in findings["heads"]] == [2, 2, 2]


def test_the_command_prints_a_grid_json_and_a_plot(capsys, tmp_path):
    plot = tmp_path / "sweep.svg"
    assert main(["patch", CLEAN, CORRUPTED, "--plot", str(plot)]) == 0
    shown = capsys.readouterr().out
    assert "John|Mary │██    │" in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if not line.startswith(">>>"))
    assert plot.read_text().startswith("<?xml")
    assert main(["patch", CLEAN, CORRUPTED, "--answer", "Tom", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answer"] == "Tom"


def test_the_code_that_it_prints_runs(capsys):
    assert main(["patch", CLEAN, CORRUPTED]) == 0
    lines = [line[4:] for line in capsys.readouterr().out.splitlines() if line[:4] == ">>> "]
    exec("\n".join(lines), {"model": HookedTransformer.from_pretrained()})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([CLEAN, f"{CORRUPTED} the"], "15 and 16 tokens"),
        ([CLEAN, CLEAN], "--answer and --versus"),
        ([CLEAN, CORRUPTED, "--answer", "Mary Tom"], "2 tokens"),
        ([CLEAN, CORRUPTED, "--plot", "sweep.png"], ".svg"),
        ([CLEAN], "corrupted"),
    ],
)
def test_what_is_wrong_is_said_on_one_line(capsys, wrong, words):
    assert main(["patch", *wrong]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
