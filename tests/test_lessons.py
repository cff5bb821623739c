"""The machinery of the lessons: a page that says what is not so does not build."""

from __future__ import annotations

import ast
import base64
import importlib.util
import json
import math
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import torch

from tests.benchmarks import families, gpu
from tests.benchmarks.peers import table
from tests.bridge.test_laws import FAMILIES

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "lessons" / "_site"


def load(name):
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(FOLDER))


lesson, notebooks = load("lesson"), load("notebooks")
PAGES = sorted((ROOT / "lessons").glob("*.md"))


def page(markdown):
    made = lesson.Lesson("page", markdown)
    return made, made.page()


def test_code_runs_in_one_session_and_its_output_is_on_the_page():
    made, text = page("```run\nx = 20\nprint('hello')\n```\n\nSo:\n\n```run\nx + 22\n```\n")
    assert "hello" in text
    assert "42" in text
    assert made.executed == 2


def test_an_expected_failure_shows_its_real_message():
    _, text = page("```fails ValueError\nint('x')\n```\n")
    assert "ValueError: invalid literal for int() with base 10: 'x'" in text


def listings(markdown):
    """The HTML of a page's listings, as the site's Markdown makes it."""
    made = page(markdown)[1]
    fences = re.findall(r"^ *````` listing\n(.*?)^ *`````$", made, re.M | re.S)
    return [load("listing").render(re.sub(r"^    ", "", text, flags=re.M)) for text in fences]


def test_a_note_stands_beside_the_one_line_that_it_names():
    made = listings("```source minicache.autodiff:toggle_autodiff\nbefore = :: What `was`.\n```\n")
    line = next(one for one in made[0].split('<span class="line"') if 'data-n="1"' in one)
    assert "before" in line
    row = made[0].split("<pre>")[1].split('data-n="1"')[0].count('class="line"')
    assert f'<li style="--row:{row};' in made[0]
    assert "What <code>was</code>." in made[0]


def test_a_listing_leaves_its_docstring_to_the_end_of_the_page():
    short, full = listings("```source minicache.autodiff:toggle_autodiff\n```\n")
    assert "Args:" not in short
    assert "Args:" in full
    assert "toggle_autodiff" in short


@pytest.mark.parametrize("module", ["errors", "cache", "hooks.root", "analysis.residual"])
def test_a_listing_without_docstrings_is_the_same_program(module):
    def program(text):
        tree = ast.parse(text)
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and len(body) > 1 and lesson.listing._is_text(body[0]):
                del body[0]
        return ast.dump(tree)

    code = lesson.source(f"minicache.{module}")
    assert program(lesson.listing.brief(code)) == program(code)


def test_a_note_may_point_into_a_docstring_which_then_stays():
    code = 'def f():\n    """A sentence."""\n    return 1\n'
    assert "sentence" not in lesson.listing.brief(code)
    assert "sentence" in lesson.listing.brief(code, ["A sent"])


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("```check\nassert 1 == 2\n```\n", "does not run"),
        ("```run\nno_such_name\n```\n", "no_such_name"),
        ("```fails ValueError\n{}['x']\n```\n", "and raised KeyError"),
        ("```fails\nint('x')\n```\n", "does not name"),
        ("```fails ValueError\nint('3')\n```\n", "was to fail"),
        ("```source minicache.cache:Nothing\n```\n", "has no Nothing"),
        ("```source minicache.nothing\n```\n", "no module"),
        ("```source minicache.autodiff:toggle_autodiff\nnowhere :: x\n```\n", "in 0 lines"),
        ("```source minicache.autodiff:toggle_autodiff\nmode :: x\n```\n", "lines, and not in one"),
        ("```source minicache.autodiff:toggle_autodiff\nno colon\n```\n", "fragment :: text"),
        (
            "```source minicache.autodiff:toggle_autodiff\nbefore = :: x\n= torch :: y\n```\n",
            "second note of its line",
        ),
        (
            "```source minicache.autodiff\n```\n\n```rest minicache.autodiff\n```\n",
            "nothing is left",
        ),
    ],
)
def test_a_false_page_does_not_build(markdown, words):
    with pytest.raises(lesson.LessonError, match=words):
        page(markdown)


RUN = "```run\n24_380_160, 0.6666, 12\n```\n\n"


@pytest.mark.parametrize(
    "claim",
    [
        "It holds 24.4 MB, which is 24,380,160 bytes.",
        "Of twelve, two thirds are right: 67 %.",
        "Lesson 8, blocks 0 and 1, L1H0 and Python 3.11 are names.",
        "Somebody measured [180 times](https://example.org).",
        "The peak was 3,150 MB (`tests/benchmarks/peers.json`).",
        "<!-- source: tests/benchmarks/peers.json -->\n| a | 12.618 |",
        "`x[180]` and \\(180\\) are code and mathematics.",
        "```bash\nhead -n 180\n\ntail -n 180\n```",
        '!!! guess "How many?"\n\n    - 180\n    - 99\n\n    ??? answer "12"\n\n        T.',
    ],
)
def test_a_number_in_prose_is_computed_cited_or_a_name(claim):
    page(f"{RUN}{claim}\n")


@pytest.mark.parametrize(
    ("claim", "bare"),
    [
        ("It holds 24.5 MB.", "24.5 MB"),
        ("It holds 24,380,161 bytes.", "24,380,161 bytes"),
        ("Of thirteen, all are right.", "thirteen"),
        ("Three quarters are right.", "Three quarters"),
        ("68 % are right.", "68 %"),
        ("It is 180 times faster.", "180"),
        ("The peak was 3,152 MB (`tests/benchmarks/peers.json`).", "3,152 MB"),
        ("See `tests/no_such.json`: 180.", "180"),
        ('!!! guess "How many?"\n\n    - 12\n\n    ??? answer "180"\n\n        T.', "180"),
        ('```figure alt="180 bars" caption="Bars"\nraise SystemExit\n```', "180"),
        ("```source minicache.autodiff:toggle_autodiff\nbefore = :: Takes 180 s.\n```", "180"),
    ],
)
def test_a_number_without_computation_or_source_stops_the_build(claim, bare):
    if "raise SystemExit" in claim:
        drawing = "from minicache import plots\nplots.bars(['a'], [12])"
        claim = claim.replace("raise SystemExit", drawing)
    with pytest.raises(lesson.LessonError, match=rf"no source is named: {bare} in '"):
        page(f"{RUN}{claim}\n")


def test_every_picture_of_the_lessons_is_one_that_there_is_and_is_told_in_words():
    pictures = load("pictures")
    made = page('```picture tap title="A hook point" caption="Two `hooks`."\n```\n')
    drawing = made[1]
    assert '<title id="' in drawing
    assert "returns None" in re.search(r"<desc[^>]*>(.*?)</desc>", drawing)[1]
    assert "<code>hooks</code>" in drawing
    [cell] = cells_of(made[0])
    assert cell.startswith('<img alt="A hook point" width="570" src="data:image/svg+xml;base64,')
    image = base64.b64decode(re.search(r"base64,([^\"]+)", cell)[1]).decode()
    assert image.startswith('<svg style="background:#fff" ')
    assert cell.endswith("\n\n*Two `hooks`.*")
    with pytest.raises(lesson.LessonError, match="no picture 'tab'"):
        page('```picture tab title="A" caption="B"\n```\n')
    asked = {name for file in PAGES for name in re.findall(r"```picture (\w+)", file.read_text())}
    assert asked == set(pictures.NAMES)


def test_a_picture_draws_what_the_page_computed():
    code = "dict(values={'one': 3, 'two': 1 + 5}, unit='MB')"
    drawing = page(f'```picture bars title="T" caption="C"\n{code}\n```\n')[1]
    assert "MB: one 3, two 6." in drawing
    widths = [float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)"', drawing)]
    assert 2 * widths[0] == pytest.approx(widths[1], rel=0.01)


def test_a_bar_says_by_how_much_it_is_off_the_one_that_is_named():
    code = "dict(values={'exact': 4, 'method': 5}, unit='MB', reference='exact')"
    drawing = page(f'```picture bars title="T" caption="C"\n{code}\n```\n')[1]
    assert "MB: exact 4, method 5 (+25%)." in drawing
    assert ">5 (+25%)</text>" in drawing


def test_a_decision_has_its_five_parts():
    with pytest.raises(lesson.LessonError, match="Context"):
        lesson.decisions('!!! decision "A"\n\n    **Choice.** B.\n')


def test_every_decision_on_the_pages_is_complete_and_there_are_many():
    found = [title for file in PAGES for title, _ in lesson.decisions(file.read_text())]
    assert len(found) == len(set(found)) >= 15


def test_the_parts_of_a_module_are_all_found():
    names = lesson.definitions("minicache.slices")
    assert "minicache.slices:Slice" in names
    assert "minicache.slices:Slice.apply" in names
    assert "minicache.hooks.point" in lesson.modules("minicache.hooks")


def test_what_no_lesson_shows_stops_the_build():
    hook = load("hook")
    made = lesson.Lesson("page", "```source minicache.slices\n```\n")
    made.page()
    hook._built.update(page=made)
    with pytest.raises(Exception, match=r"minicache\.cache:ActivationCache") as caught:
        hook._check_all_is_shown()
    assert "minicache.slices:" not in str(caught.value)


def test_the_reference_leads_to_each_analysis_that_a_cache_has():
    source = (ROOT / "minicache" / "cache.py").read_text()
    bound = re.findall(r"^    ([a-z]\w+) = (\w+)\.\1$", source, re.M)
    assert ("decompose_resid", "residual") in bound
    made = load("hook")._analyses().split("\n\n")[1].splitlines()
    assert made == [
        f"- [`cache.{name}`][minicache.analysis.{place}.{name}]" for name, place in bound
    ]


def test_the_reference_links_our_errors_and_no_others():
    hook = load("hook")
    page = SimpleNamespace(file=SimpleNamespace(src_uri="reference/analysis.md"))
    row = "<td>\n<code>(ShapeError, KeyError)</code></td><code>ShapeError</code>"
    made = hook.on_page_content(row, page, {}, None)
    link = '<autoref identifier="minicache.errors.ShapeError">ShapeError</autoref>'
    assert made == row.replace("(ShapeError", f"({link}")
    page.file.src_uri = "10_guards.md"
    assert hook.on_page_content(row, page, {}, None) == row


def test_mathematics_becomes_mathml():
    assert "<math" in page(r"The sum \(\sum_i x_i\) is one.")[1]


def test_every_lesson_gives_a_valid_notebook_with_the_install_cell_first():
    for file in PAGES:
        notebook = lesson.Lesson(file.stem, file.read_text()).notebook()
        nbformat.validate(notebook)
        assert "is_ours" in notebook["cells"][0]["source"]
        assert notebook["metadata"]["kernelspec"]["language"] == "python"
        drawn = "matplotlib inline" in notebook["cells"][0]["source"]
        code = "".join(c["source"] for c in notebook["cells"][1:] if c["cell_type"] == "code")
        assert drawn == bool(re.search(r"\bplots\b|matplotlib", code))


def run_first_cell(folder, *, needed=()):
    """As a kernel does in which nothing is installed."""
    cell = notebooks.FIRST_CELL.replace("NEEDED = []", f"NEEDED = {list(needed)}")
    code = f"{cell}\nimport minicache\nprint(minicache.__file__)"
    command = [sys.executable, "-S", "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def lay_a_copy(folder):
    (folder / "minicache" / "hooks").mkdir(parents=True)
    for name in ("__init__.py", "hooks/root.py"):
        (folder / "minicache" / name).touch()


def test_a_notebook_that_finds_no_minicache_says_what_to_put_where(tmp_path):
    said = run_first_cell(tmp_path).stderr.splitlines()[-1]
    assert f"there is none in {tmp_path}" in said
    assert "pip wheel --no-deps ." in said
    (tmp_path / "minicache").mkdir()  # another project's
    (tmp_path / "minicache" / "__init__.py").touch()
    assert f"there is none in {tmp_path}" in run_first_cell(tmp_path).stderr


@pytest.mark.parametrize("place", [".", "a copy of it", ".."])
def test_a_notebook_finds_a_copy_of_the_repository_near_it(tmp_path, place):
    (tmp_path / "here").mkdir()
    lay_a_copy(tmp_path / "here" / place)
    done = run_first_cell(tmp_path / "here")
    assert done.returncode == 0, done.stderr
    found = Path(done.stdout.strip()).resolve()
    assert found == (tmp_path / "here" / place / "minicache" / "__init__.py").resolve()


def test_a_notebook_says_what_could_not_be_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    lay_a_copy(tmp_path)
    done = run_first_cell(tmp_path, needed=["there_is_none"])
    assert "This did not work: python -m pip install --quiet there_is_none" in done.stderr
    assert "No matching distribution" in done.stderr


def test_jupyter_shows_a_first_cells_error_as_a_sentence_without_a_traceback():
    begin = notebooks.FIRST_CELL.split("def is_ours")[0]
    code = f"{begin}raise NotReadyError('Put a wheel here.')"
    command = [sys.executable, "-m", "IPython", "--colors=NoColor", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout + done.stderr).strip() == "Put a wheel here."


def test_every_documented_installation_is_pinned_and_of_this_folder():
    """Somebody else's minicache is on PyPI, and an unpinned torch is gigabytes."""
    files = [*ROOT.glob("*.md"), ROOT / ".ci" / "run"]
    for folder in ("lessons", "exercises", "minicache", "tests"):
        inside = (ROOT / folder).rglob("*.*")
        files += [f for f in inside if f.suffix in (".md", ".py")]
    commands = [
        command
        for file in files
        if not file.name.startswith("test_")
        for command in re.findall(r"pip install [^&\n]+", file.read_text())
    ]
    assert len(commands) >= 10
    for command in commands:
        if "{" not in command:  # a notebook pins what it installs where the pins are there
            assert "-c " in command or "--no-index" in command
        assert not re.search(r"\bminicache\b", command)


def test_the_table_of_peers_is_what_was_measured():
    found = json.loads((ROOT / "tests" / "benchmarks" / "peers.json").read_text())
    assert found["size"] == "full"
    assert table(found) in (ROOT / "lessons" / "16_onward.md").read_text()


def test_what_lesson_12b_says_of_a_gpu_is_what_was_recorded():
    record = json.loads((ROOT / "tests" / "benchmarks" / "gpu.json").read_text())
    page = (ROOT / "lessons" / "12_methods.md").read_text()
    run = record["runs"]["shipped"]
    assert textwrap.indent(gpu.table(record), " " * 8) in page
    assert all(line in page for line in (*run["memory_summary"], run["nvidia-smi"][1]))
    allocated, reserved, used = (
        [read[what] for read in run["steps"].values()]
        for what in ("allocated", "reserved", "used on the device")
    )
    first, second = allocated[2] - allocated[1], allocated[4] - allocated[3]
    rounded_up = 40 * 512  # each tensor to a multiple of 512 bytes
    assert run["exact"] == 24_380_160
    assert 0 <= second - run["exact"] - run["logits"] < rounded_up
    assert (f"{first / 1e6:.1f}", f"{second / 1e6:.1f}") == ("58.7", "25.1")
    assert allocated[3] - allocated[1] == 32 * 2**20
    assert used[2] - used[1] > 2 * (reserved[2] - reserved[1])
    assert reserved[2] == reserved[3] > reserved[6]
    assert run["profiler"]["sum"] == second


def test_the_table_of_families_is_what_was_measured():
    found = json.loads((ROOT / "tests" / "benchmarks" / "families.json").read_text())
    shown = textwrap.indent(families.table(found), "    ")
    assert shown in (ROOT / "lessons" / "15_any_model.md").read_text()
    assert found["families"].keys() == set(FAMILIES)
    assert found["totals"] == families.totals(found)


@pytest.mark.parametrize("file", [p for p in PAGES if p.stem[:2].isdigit()], ids=lambda p: p.stem)
def test_a_lesson_has_the_parts_that_a_reader_counts_on(file):
    text = file.read_text()
    assert text.splitlines()[2].startswith("**")  # the question
    for heading in ("## Break it", "## Now you", "## Further"):
        assert heading in text or (heading == "## Break it" and "```fails" in text)
    assert "!!! decision" in text
    assert "!!! guess" in text
    assert text.partition("## Two questions")[2].count("??? question") == 2


def test_a_guess_gives_nothing_away_before_it_is_made():
    text = page('!!! guess "Q?"\n\n    - a\n    - b\n\n    ??? answer "It is b"\n\n        T.\n')[1]
    head = next(line for line in text.splitlines() if "??? answer" in line)
    assert "It is b" not in head
    assert "        **It is b.**" in text.splitlines()


def test_a_notebook_has_a_pages_boxes_as_prose_and_no_live_model():
    boxes = load("boxes")
    text = '!!! guess "Which?"\n\n    - one\n\n<mini-model text="In"></mini-model>\n'
    assert boxes.plain(text).startswith("**Which?**\n\n- one\n")
    assert "<mini-model" not in boxes.plain(text)
    assert boxes.plain("```\n    !!! guess\n```") == "```\n    !!! guess\n```"


def cells_of(made):
    """What a lesson's notebook holds after its first cell."""
    return [cell["source"] for cell in made.notebook()["cells"][1:]]


def test_a_notebook_of_a_page_that_was_not_built_says_where_its_picture_is():
    made = lesson.Lesson("page", '```picture tap title="A hook point" caption="Above: two."\n```\n')
    assert cells_of(made) == ["*(On the page of the site, a picture stands here: A hook point.)*"]


def test_a_notebook_folds_an_answer_around_the_code_that_gives_it():
    text = (
        '!!! guess "Q?"\n\n    - a\n    - b\n\n    ??? answer "It is b"\n\n        Before.\n\n'
        "        ```run\n        1 + 1\n        ```\n\n        After.\n\nBehind the box.\n"
    )
    assert cells_of(lesson.Lesson("page", text)) == [
        "**Q?**\n\n- a\n- b",
        "<details>\n<summary>What comes out</summary>\n\n**It is b.**\n\nBefore.\n\n</details>",
        "1 + 1",
        "<details>\n<summary>What it shows</summary>\n\nAfter.\n\n</details>",
        "Behind the box.",
    ]


def test_no_notebook_shows_an_answer_before_it_is_opened():
    for file in PAGES:
        text = file.read_text()
        made = lesson.Lesson(file.stem, text).notebook()
        prose = [c["source"] for c in made["cells"] if c["cell_type"] == "markdown"]
        shown = [re.sub(r"<details>.*?</details>", "", cell, flags=re.S) for cell in prose]
        for answer in re.findall(r'^ *\?\?\? answer "(.*)"$', text, re.M):
            assert not any(f"**{answer}.**" in cell for cell in shown)
            assert any(f"**{answer}.**" in cell for cell in prose)


def test_no_notebook_links_to_a_page_that_is_no_notebook():
    names = {file.stem for file in PAGES if file.stem[:2].isdigit()}
    linked = set()
    for file in PAGES:
        made = lesson.Lesson(file.stem, file.read_text()).notebook()
        prose = "".join(c["source"] for c in made["cells"] if c["cell_type"] == "markdown")
        linked |= set(re.findall(r"\]\((?!http)([^)]+)\)", prose))
    assert len(linked) > 5
    assert {one.removesuffix(".ipynb") for one in linked} <= names


def test_a_notebook_has_a_listings_notes_below_it_by_their_numbers():
    text = (
        "```source minicache.autodiff:toggle_autodiff\ntorch.set_grad :: Then.\n"
        "before = :: First.\n```\n"
    )
    [cell] = cells_of(lesson.Lesson("page", text))
    assert cell.startswith("`minicache.autodiff:toggle_autodiff`\n\n``` python\n")
    assert re.search(r"before = .*  # \(1\)$", cell, re.M)
    assert re.search(r"torch\.set_grad.*  # \(2\)$", cell, re.M)
    assert cell.endswith("```\n\n1. First.\n2. Then.")


def test_a_term_is_linked_where_it_first_stands_and_never_in_code_links_or_headings():
    glossary = load("glossary")
    text = "# Heads\n\n`head` and [a head](x.md)\n\n```bash\nhead\n```\n\nTwo heads. A head.\n"
    made = glossary.linked(text, set())
    assert made.count("glossary.md#head ") == 1
    assert "Two [heads](glossary.md#head " in made
    assert made.startswith("# Heads\n\n`head` and [a head](x.md)\n\n```bash\nhead\n```")


def test_a_word_in_a_span_is_no_term_and_the_next_one_is():
    made = load("glossary").linked("<span>A key</span> of a dictionary. A key of a head.\n", set())
    assert made.startswith("<span>A key</span> of a dictionary. A [key](glossary.md#key ")
    assert made.count("glossary.md#head ") == 1


def test_what_a_link_says_on_hover_holds_no_link():
    """The meaning of LayerNorm has a bracket and the word bias, which is a term as well."""
    made = load("glossary").linked("A LayerNorm and a view.\n", set())
    assert made.count("](glossary.md#") == 2
    assert "shifts by a bias." in made


def test_a_drawing_in_the_page_is_left_as_it_is():
    drawing = "<figure>\n<g><text>MLP</text><text>logits</text></g>\n</figure>\n"
    assert load("glossary").linked(drawing, set()) == drawing


def test_every_term_of_the_glossary_has_an_anchor_of_its_own():
    glossary = load("glossary")
    slugs = [glossary.slug(term) for term in glossary.terms()]
    assert len(slugs) == len(set(slugs)) >= 20
    made = glossary.anchored((ROOT / "lessons" / "glossary.md").read_text())
    assert all(f"{{ #{slug} }}" in made for slug in slugs)


def test_the_code_that_a_page_runs_counts_for_its_reading_time_and_what_it_hides_does_not():
    shown = "```run\nx = 1\nx\n```\n\n```fails ValueError\nint('x')\n```\n"
    assert page(shown)[0].code_lines == 3
    assert page(f"{shown}\n```check\nassert x == 1\n```\n")[0].code_lines == 3


def test_a_lessons_second_page_builds_on_its_first():
    course = load("course")
    titles = {3: ("03_a.md", "3 A"), 12: ("12_b.md", "12 B")}
    assert "before it: [3 A](03_a.md)" in course.head("12_b", titles, "", 0)
    assert "before it: [12 B](12_b.md)" in course.head("12_c", titles, "", 0)


def test_every_lesson_stands_in_the_course_and_needs_earlier_ones_only():
    course = load("course")
    for file in PAGES:
        number = course.number(file.name)
        if number is not None:
            needs, lit, theme = course.COURSE[number]
            assert all(need < number for need in needs)
            assert set(lit.split()) <= set(course.SAID)
            assert theme
            assert course.stream(lit).count('class="lit"') >= 1
    assert course.head("index", {}, "", 0) == ""


def test_a_live_model_holds_a_picture_for_readers_without_javascript():
    live = load("live")
    made = live.with_fallbacks('<mini-model text="The capital of France is"></mini-model>')
    assert made.startswith('<div class="live" markdown="0"><mini-model text=')
    assert "the model expects Paris" in made
    assert live.with_fallbacks("Say `<mini-model>`.") == "Say `<mini-model>`."


def test_the_pages_weights_are_the_models_bit_for_bit():
    live = load("live")
    text = live.weights_script()
    shipped = json.loads(text.partition("=")[2])
    raw = torch.frombuffer(bytearray(base64.b64decode(shipped["base64"])), dtype=torch.float32)
    at = 0
    for name, tensor in live.model().state_dict().items():
        size = math.prod(shipped["shapes"][name])
        assert torch.equal(raw[at : at + size].reshape(tensor.shape), tensor)
        at += size
    assert at == len(raw)
