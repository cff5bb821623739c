"""A workshop's day: the hand-out, thirty hand-ins, the class's table, and the course systems."""

from __future__ import annotations

import ast
import base64
import codecs
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tokenize
import zipfile
from pathlib import Path

import pytest

from exercises.__main__ import _parser
from exercises.commands import release as commands_release
from exercises.commands.grade import grade_class
from exercises.commands.record import edits_of
from exercises.commands.release import HANDOUT, ReleaseError, release
from exercises.grader.bank import HOME, exercises_in, grade, load
from exercises.grader.plugin import OPTIONS
from exercises.grader.report import feedback
from exercises.grader.variants import edited
from exercises.grader.wrappers import find_own, rule
from tests.test_grader import (
    FIRST,
    OTHERS,
    ROOT,
    SOLUTION,
    TOTAL,
    answers,
    board,
    check_gradescope,
    exercises_command,
    pytest_in,
)
from tests.test_lessons import load as load_site

__all__ = ["answers"]  # a fixture

pytestmark = pytest.mark.long
EXERCISES = exercises_in()
MIXED_UP = edited(SOLUTION, edits_of(FIRST)[:1])
NOTHING = [("not started", 0)] * len(EXERCISES)


def solution(number):
    return (EXERCISES[number - 1].folder / "meta" / "solution.py").read_text()


def stub(number):
    return EXERCISES[number - 1].stub.read_text()


def name(number):
    return EXERCISES[number - 1].name


def lay_out(folder, files):
    for place, text in files.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(text if isinstance(text, bytes) else text.encode())


# One's own answers, and the hand-out


def test_start_makes_stubs_and_never_overwrites(tmp_path):
    mine = tmp_path / "my_answers"
    assert exercises_command("start", mine).returncode == 0
    assert len(list(mine.glob("ex*.py"))) == len(EXERCISES)
    kept = mine / f"{FIRST.name}.py"
    kept.write_text(SOLUTION)
    (mine / f"{OTHERS[0].name}.py").unlink()
    again = exercises_command("start", mine)
    assert "1 new files" in again.stdout
    assert kept.read_text() == SOLUTION
    for place in (mine, os.path.relpath(mine, ROOT)):  # as the README gives it
        done = pytest_in(ROOT, "exercises", "--answers", place)
        statuses = [status for status, _, _ in board(done).values()]
        assert statuses == ["passed"] + ["not started"] * len(OTHERS)


def test_the_students_copy_has_no_solutions_and_grades_the_same(answers, tmp_path):
    copy = tmp_path / "copy"
    assert exercises_command("release", copy).returncode == 0
    assert not list(copy.rglob("meta"))
    assert len(list(copy.rglob("hints.md"))) == len(EXERCISES)
    for reference in (e.folder / "meta" / "solution.py" for e in EXERCISES):
        body = reference.read_text().partition('"""\n')[2].strip()
        assert all(body not in file.read_text() for file in copy.rglob("*.py"))
    for asked in ("exercises", "."):  # where it is not asked for, pytest meets the grader late
        untouched = pytest_in(copy, asked)
        assert [row[:2] for row in board(untouched).values()] == [("not started", 0)] * len(
            EXERCISES
        )
        assert "INTERNALERROR" not in untouched.stdout + untouched.stderr
    wrong = edited(SOLUTION, edits_of(FIRST)[:1])
    (copy / "exercises" / FIRST.name / "exercise.py").write_text(wrong)
    there = pytest_in(copy, "exercises", "-k", FIRST.name)
    (answers / f"{FIRST.name}.py").write_text(wrong)
    here = pytest_in(ROOT, "exercises", "--answers", answers, "-k", FIRST.name)
    assert board(there) == board(here)
    assert "known mix-up" in there.stdout
    again = exercises_command("release", copy)
    assert again.returncode == 2
    assert "there already" in again.stderr


def test_a_read_only_checkout_is_enough(tmp_path):
    copy = tmp_path / "copy"
    exercises_command("release", copy)
    for path in [*copy.rglob("*"), copy]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        done = pytest_in(copy, "exercises", "-k", "hook_point")
        assert board(done) == {"ex01_hook_point": ("not started", 0, FIRST.most)}
    finally:
        for path in [copy, *copy.rglob("*")]:
            path.chmod(0o755)


@pytest.fixture
def repository(tmp_path):
    """A repository like ours, with a git of its own, to work in as an instructor does."""
    place = tmp_path / "repository"
    ours = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(ours, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for file in filter(None, listed.split("\0")):
        if (ROOT / file).exists():
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, place / file)
    identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=place, check=True)
    return place


SCRATCH = ("my_answers/ex01_hook_point.py", "minicache/scratch.py", "exercises/notes.md")
SCRATCH += ("exercises/ex01_hook_point/mine.py", "checkpoint.pt", ".venv/x.py", "exercises/.env")


@pytest.mark.parametrize("with_git", [True, False])
def test_an_instructors_own_files_do_not_go_out(repository, tmp_path, with_git):
    lay_out(repository, dict.fromkeys(SCRATCH, SOLUTION))
    if not with_git:
        shutil.rmtree(repository / ".git")
        (repository / "minicache" / "scratch.py").unlink()  # only git tells it from a module
    copy, packed = tmp_path / "copy", tmp_path / "autograder.zip"
    done = exercises_command("release", copy, "--gradescope", packed, folder=repository)
    assert done.returncode == 0, done.stderr
    out = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    for files in (out, set(zipfile.ZipFile(packed).namelist())):
        assert not files & set(SCRATCH)
        assert not [file for file in files if "/meta/" in file or file.startswith(".venv")]
        assert "exercises/ex01_hook_point/exercise.py" in files
    assert {".gitignore", "commands.html", "notebooks/01_patient.ipynb"} <= out


@pytest.mark.parametrize("change", [lambda text: SOLUTION, lambda text: f"{text}# return x\n"])
def test_a_solved_stub_does_not_go_out(repository, tmp_path, change):
    file = repository / "exercises" / FIRST.name / "exercise.py"
    file.write_text(change(file.read_text()))
    done = exercises_command("release", tmp_path / "copy", folder=repository)
    assert done.returncode == 2
    assert FIRST.name in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "copy").exists()


def test_a_copy_is_not_written_into_what_it_copies(repository, monkeypatch):
    monkeypatch.setattr(commands_release, "ROOT", repository)
    before = sorted(repository.rglob("*"))
    for place in ("exercises", "exercises/copy", "minicache/x", ".", "tests/a/b", "LICENSE"):
        with pytest.raises(ReleaseError, match=r"there already|inside"):
            release(repository / place, exercises_in(repository / "exercises"))
    assert sorted(repository.rglob("*")) == before


def test_a_copy_may_lie_beside_the_parts_that_it_copies_and_again_elsewhere(repository):
    for place in ("student_copy", "other_copy"):
        assert exercises_command("release", place, folder=repository).returncode == 0
    assert not list((repository / "other_copy").rglob("student_copy"))


def test_a_copy_of_some_exercises_counts_only_them(tmp_path):
    copy = tmp_path / "copy"
    done = exercises_command("release", copy, "--only", "1,2,11")
    assert done.returncode == 0, done.stderr
    found = board(pytest_in(copy, "exercises"))
    assert list(found) == [name(1), name(2), name(11)]
    readme = (copy / "README.md").read_text()
    assert f"3 exercises, {sum(most for _, _, most in found.values())} points" in readme
    assert "ex05" not in readme + (copy / "commands.html").read_text()
    wrong = exercises_command("release", tmp_path / "other", "--only", "1,99")
    assert wrong.returncode == 2
    assert "no exercise 99" in wrong.stderr


def test_a_copys_first_commit_is_small_and_has_no_environment(tmp_path):
    copy = tmp_path / "copy"
    exercises_command("release", copy)
    lay_out(copy, {".venv/lib/x.py": "", "exercises/__pycache__/x.pyc": "", "a.egg-info/x": ""})
    subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
    subprocess.run(["git", "add", "."], cwd=copy, check=True)
    files = subprocess.run(["git", "ls-files"], cwd=copy, capture_output=True, text=True).stdout
    assert len(files.splitlines()) < 400
    assert not re.search(r"\.venv|__pycache__|egg-info", files)


def test_an_answer_that_builds_on_an_exercise_that_is_not_there_is_graded(tmp_path):
    """Exercise 14 may import exercise 12's answer; where there is none, minicache's stands in."""
    copy = tmp_path / "copy"
    exercises_command("release", copy, "--only", "14")
    answer = f"from exercises.earlier import apply_ln\n{solution(14)}"
    lay_out(copy, {f"my_answers/{name(14)}.py": answer})
    done = pytest_in(copy, "exercises", "--answers", "my_answers")
    assert board(done)[name(14)][0] == "passed"


def test_a_copy_says_what_its_notebooks_need(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "lesson", raising=False)
    monkeypatch.setitem(sys.modules, "notebooks", None)  # as where a package of docs is missing
    with pytest.raises(ReleaseError, match=r"not installed\. Install the extra docs"):
        release(tmp_path / "copy", EXERCISES)
    assert not list(tmp_path.iterdir())


def test_what_a_student_reads_is_the_students(tmp_path):
    copy = tmp_path / "copy"
    exercises_command("release", copy)
    readme = (copy / "README.md").read_text()
    assert not re.search(r"meta/|solution|\{\w+\}", readme)
    for words in ("Activate.ps1", "source .venv/bin/activate", "doctor", "notebooks/", "CPU"):
        assert words in readme
    refused = pytest_in(copy, "exercises", "--solutions")
    assert refused.returncode == 4
    assert "this copy has none" in refused.stderr
    assert "there is no" in exercises_command("record", folder=copy).stderr


# The set-up's check


def test_the_doctor_finds_what_is_missing(tmp_path):
    fine = exercises_command("doctor")
    assert (fine.returncode, fine.stdout.count("[ok]")) == (0, 6), fine.stdout
    copy = tmp_path / "copy"
    exercises_command("release", copy)
    (copy / "exercises" / FIRST.name / "exercise.py").unlink()
    missing = exercises_command("doctor", folder=copy)
    assert missing.returncode == 1
    assert FIRST.name in missing.stdout
    lay_out(tmp_path / "other", {"minicache/__init__.py": ""})
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "other")}
    script = f"import sys; sys.path.append({str(ROOT)!r}); from exercises.__main__ import main"
    namesake = subprocess.run(
        [sys.executable, "-c", f"{script}; sys.exit(main(['doctor']))"],
        cwd=tmp_path / "other", capture_output=True, text=True, env=env,
    )  # fmt: skip
    assert namesake.returncode == 1
    assert "another project's" in namesake.stdout


def test_the_doctor_runs_where_python_is_too_old_and_packages_are_missing():
    for file in ("__init__.py", "__main__.py", "commands/__init__.py", "commands/doctor.py"):
        ast.parse((HOME / file).read_text(), feature_version=(3, 8))
    code = """
import sys
sys.version_info = (3, 9, 1)
from exercises.__main__ import main
sys.exit(main(["start", "nowhere"]))
"""
    for flags in (["-S"], []):
        done = subprocess.run(
            [sys.executable, *flags, "-c", code], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert "need 3.11 or later" in done.stdout
    bare = subprocess.run(
        [sys.executable, "-S", "-m", "exercises", "doctor"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert bare.returncode == 1
    assert "not installed: torch" in bare.stdout


# The class


@pytest.fixture(scope="module")
def a_class(tmp_path_factory):
    """Thirty hand-ins as they come, and what each is to have: points, and words that are told."""
    folder = tmp_path_factory.mktemp("class")
    most = {e.number: e.most for e in EXERCISES}
    flat = {f"{name(n)}.py": solution(n) for n in most}
    mark = codecs.BOM_UTF8
    kinds = {
        "all": (flat, TOTAL, ""),
        "nested": ({f"{name(5)}/exercise.py": solution(5)}, most[5], ""),
        "clone": (
            {f"exercises/{name(n)}/exercise.py": solution(n) if n < 3 else stub(n) for n in most},
            most[1] + most[2],
            "",
        ),
        "clone_with_answers": (
            {f"exercises/{name(5)}/exercise.py": stub(5), f"my_answers/{name(5)}.py": solution(5)},
            most[5],
            "",
        ),
        "subfolder": ({f"my work/{name(5)}.py": solution(5)}, most[5], ""),
        "untouched": ({f"{name(n)}.py": stub(n) for n in most}, 0, ""),
        "no_number": ({"getitem.py": solution(5)}, most[5], f"call it {name(5)}.py"),
        "second_download": ({f"{name(5)} (1).py": solution(5)}, most[5], f"call it {name(5)}.py"),
        "capital": ({"Ex05_getitem.PY": solution(5)}, most[5], f"call it {name(5)}.py"),
        "marked": ({f"{name(5)}.py": mark + solution(5).encode()}, most[5], ""),
        "marked_stub": ({f"{name(5)}.py": mark + stub(5).encode()}, 0, ""),
        "latin": (
            {f"{name(5)}.py": b"# coding: latin-1\n# \xe4\n" + solution(5).encode("latin-1")},
            most[5],
            "",
        ),
        "nested_solved": (
            {f"{name(5)}.py": stub(5), f"{name(5)}/exercise.py": solution(5)},
            most[5],
            "",
        ),
        "other_files": ({"essay.txt": "x", "helpers.py": "x = 1"}, 0, "helpers.py"),
        "empty": ({}, 0, "nothing that could be one"),
        "syntax_error": (
            {f"{name(1)}.py": "def oops(:", f"{name(5)}.py": solution(5)},
            most[5],
            "",
        ),
        "notebook": ({f"{name(5)}.ipynb": "{}"}, 0, f"{name(5)}.ipynb is no Python file"),
        "Jürgen Müller 3": ({f"{name(5)}.py": solution(5).replace("\n", "\r\n")}, most[5], ""),
        "exits": ({f"{name(1)}.py": "import os; os._exit(0)"}, 0, ""),
        "collected": (
            {"conftest.py": "raise SystemExit", f"{name(5)}.py": solution(5)},
            most[5],
            "",
        ),
    }
    table = {}
    for kind, (files, points, words) in kinds.items():
        (folder / kind).mkdir()
        lay_out(folder / kind, files)
        table[kind] = (points, words)
    for kind in ("all", "subfolder", "no_number"):
        with zipfile.ZipFile(folder / f"{kind}_zip.zip", "w") as packed:
            for file in (folder / kind).rglob("*.py"):
                packed.write(file, file.relative_to(folder / kind))
        table[f"{kind}_zip"] = table[kind]
    (folder / "broken_zip.zip").write_bytes(b"PK")
    table["broken_zip"] = (0, "cannot be read")
    spoilt = bytearray((folder / "all_zip.zip").read_bytes())
    spoilt[200:1200] = bytes(1000)
    (folder / "spoilt_zip.zip").write_bytes(spoilt)
    table["spoilt_zip"] = (0, "cannot be read")
    with zipfile.ZipFile(folder / "environment_zip.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(f"{name(5)}.py", solution(5))
        packed.writestr("__MACOSX/._ex05_getitem.py", b"\0")
        packed.writestr(".venv/lib/large.py", b"#" * (30 << 20))
    table["environment_zip"] = (most[5], "")
    with zipfile.ZipFile(folder / "large_zip.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(f"{name(5)}.py", b"#" * (30 << 20))
    table["large_zip"] = (0, "more than 20 MB")
    (folder / "linked").mkdir()
    (folder / "linked" / f"{name(5)}.py").symlink_to(EXERCISES[4].folder / "meta" / "solution.py")
    table["linked"] = (0, f"{name(5)}.py is a link")
    for number in range(30 - len(table)):
        lay_out(folder / f"mixed_up_{number}", {f"{name(1)}.py": MIXED_UP})
        table[f"mixed_up_{number}"] = (None, "")
    (folder / "grades.xlsx").write_bytes(b"")
    return folder, table


def test_thirty_hand_ins_are_graded_as_the_table_says(a_class, tmp_path):
    folder, table = a_class
    assert len(table) == 30
    out, projector = tmp_path / "class.csv", tmp_path / "class.html"
    started = time.monotonic()
    done = exercises_command("grade", folder, "--csv", out, "--page", projector)
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    print(f"{seconds:.1f} s")
    with out.open(newline="", encoding="utf-8-sig") as opened:
        rows = {row["student"]: row for row in csv.DictReader(opened)}
    assert set(rows) == set(table)
    for who, (points, words) in table.items():
        row = rows[who]
        assert points is None or int(row["points"]) == points, row
        assert words in row["told"], row
        assert bool(words) == bool(row["told"]), row
        assert int(row["points"]) == sum(int(row[e.name]) for e in EXERCISES)
        assert int(row["of"]) == TOTAL
        assert who in done.stdout
    mixed = sum(who.startswith("mixed_up") for who in table)
    assert f"{mixed} of 30 have {FIRST.key}, {edits_of(FIRST)[0].name}: " in done.stdout
    assert "grades.xlsx" in done.stdout
    page = projector.read_text()
    assert not any(who in page for who in table if len(who) > 8)
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_class_is_graded_on_some_exercises_and_named_when_asked(a_class, tmp_path):
    folder, _ = a_class
    projector = tmp_path / "class.html"
    done = exercises_command("grade", folder, "--only", "5", "--page", projector, "--names")
    assert f"of {EXERCISES[4].most} points" in done.stdout
    assert name(1) not in done.stdout
    assert "nested_solved" in projector.read_text()


def test_programs_that_differ_in_comments_are_graded_once_and_lines_are_each_ones_own(tmp_path):
    seen = tmp_path / "seen"
    counts = f"open({str(seen)!r}, 'a').write('.')\n"
    passes = f"{SOLUTION}\n{counts}"
    raises = f"{counts}raise OSError('mine')\n"
    lay_out(tmp_path / "class", {
        f"ann/{FIRST.name}.py": passes,
        f"bo/{FIRST.name}.py": f"{passes}# bo\n",
        f"cy/{FIRST.name}.py": raises,
        f"di/{FIRST.name}.py": f"# di\n{raises}",
        f"ed/{FIRST.name}.py": f"# di\n{raises}",
    })  # fmt: skip
    results = [one.results[0] for one in grade_class(tmp_path / "class", [FIRST]).students]
    assert [one.status for one in results] == ["passed"] * 2 + ["crashed"] * 3
    assert ["line 2" in one.problem for one in results[2:]] == [True, False, False]
    assert ["line 3" in one.problem for one in results[2:]] == [False, True, True]
    assert seen.read_text() == "." * 3


def test_names_that_no_terminal_or_spreadsheet_takes_stop_nothing(tmp_path):
    folder, out, projector = tmp_path / "class", tmp_path / "class.csv", tmp_path / "class.html"
    for who in (os.fsdecode(b"J\xfcrgen"), "=1+1", "Mu\u0308ller", "same"):
        lay_out(folder / who, {f"{name(1)}.py": stub(1)})
    with zipfile.ZipFile(folder / "same.zip", "w") as packed:
        packed.writestr(f"{name(1)}.py", "def oops(:")
    asked = ("--only", "1", "--csv", out, "--page", projector, "--names")
    done = exercises_command("grade", folder, *asked, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    with out.open(newline="", encoding="utf-8-sig") as opened:
        names = {row["student"] for row in csv.DictReader(opened)}
    assert names == {"J?rgen", "'=1+1", "M\u00fcller", "same", "same.zip"}
    assert "M\u00fcller" in projector.read_text("utf-8")


def test_a_place_for_the_table_that_cannot_be_is_told_before_grading(a_class, tmp_path):
    for option in ("--csv", "--page"):
        done = exercises_command("grade", a_class[0], option, tmp_path / "no" / "such" / "file")
        assert done.returncode == 2
        assert "folder that is there" in done.stderr
        assert not done.stdout


@pytest.mark.parametrize("graded", [["pytest", "exercises", "--answers"], ["exercises", "grade"]])
def test_an_endless_answer_ends_with_ctrl_c(tmp_path, graded):
    """Python waits for a child that still runs, and would wait for ever."""
    begun = tmp_path / "begun"
    endless = f"open({str(begun)!r}, 'w').close()\nwhile True: pass\n"
    lay_out(tmp_path / "class" / "ada", {f"{name(1)}.py": endless})
    limit = ["--limit", "600"] if graded[0] == "pytest" else []
    running = subprocess.Popen(
        [sys.executable, "-m", *graded, tmp_path / "class", "--only", "1", *limit],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    while not begun.exists():
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    _, said = running.communicate(timeout=60)
    assert running.returncode in (2, 130)
    assert b"Traceback" not in said


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no student's folder"),
        ({"ex05_getitem.py": ""}, "pytest exercises --answers"),
        (None, "is no folder"),
    ],
)
def test_a_folder_that_is_no_class_is_told(tmp_path, files, words):
    folder = tmp_path / "class"
    if files is not None:
        folder.mkdir()
        lay_out(folder, files)
    done = exercises_command("grade", folder)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_verdict_does_not_depend_on_what_others_handed_in(tmp_path):
    """The same is graded once: but what Python reads alike, and the grader cannot read, differs."""
    latin = f"# \xe9\n{SOLUTION}".encode("latin-1")
    folder = tmp_path / "class"
    lay_out(folder, {
        f"ann/{FIRST.name}.py": SOLUTION, f"bo/{FIRST.name}.py": latin,
        f"cy/{FIRST.name}.py": "", "di/notes.txt": "",
    })  # fmt: skip
    found = {one.name: one.results[0].status for one in grade_class(folder, [FIRST]).students}
    assert found == {"ann": "passed", "bo": "crashed", "cy": "crashed", "di": "not started"}


def test_an_answer_may_read_what_lies_beside_it_in_a_zip_file_too(tmp_path):
    reads = f"import pathlib\npathlib.Path(__file__).with_name('w.json').read_text()\n{SOLUTION}"
    files = {f"{FIRST.name}.py": reads, "w.json": "{}"}
    folder = tmp_path / "class"
    lay_out(folder / "ann", files)
    with zipfile.ZipFile(folder / "bo.zip", "w") as packed:
        for file, text in files.items():
            packed.writestr(file, text)
    (folder / "cy_123_assignsubmission_file").mkdir()  # as Moodle gives them
    shutil.copyfile(folder / "bo.zip", folder / "cy_123_assignsubmission_file" / "mine.ZIP")
    assert [one.score for one in grade_class(folder, [FIRST]).students] == [FIRST.most] * 3


def test_every_student_has_a_name_of_his_own_in_a_line(tmp_path):
    folder = tmp_path / "class"
    for who in ("Zo\u00eb", "Zoe\u0308", "two\nlines"):
        lay_out(folder / who, {f"{FIRST.name}.py": SOLUTION})
    for file in ("ada.zip", "ada.ZIP", "bo.zip"):
        with zipfile.ZipFile(folder / file, "w") as packed:
            packed.writestr(f"{FIRST.name}.py", SOLUTION)
    names = {one.name for one in grade_class(folder, [FIRST]).students}
    assert names == {"Zo\u00eb", "Zo\u00eb (2)", "two lines", "ada.zip", "ada.ZIP", "bo"}


def test_a_link_is_no_students_folder_and_one_persons_folders_are_no_class(tmp_path):
    lay_out(tmp_path / "a", {f"{FIRST.name}.py": SOLUTION})
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "linked").symlink_to(tmp_path / "a")
    lay_out(tmp_path / "class", {f"ann/{FIRST.name}.py": SOLUTION})
    graded = grade_class(tmp_path / "class", [FIRST])
    assert ([one.name for one in graded.students], graded.others) == (["ann"], ["linked"])
    lay_out(tmp_path / "mine", {f"{FIRST.name}/exercise.py": SOLUTION})
    with pytest.raises(ValueError, match="the answers of one person"):
        grade_class(tmp_path / "mine", [FIRST])


def test_a_file_that_may_not_be_read_stops_nobody_else(tmp_path, monkeypatch):
    lay_out(tmp_path, {f"ann/{FIRST.name}.py": SOLUTION, f"bo/{FIRST.name}.py": SOLUTION})
    for module, name_ in ((Path, "read_bytes"), (tokenize, "open")):
        opening = getattr(module, name_)

        def refuse(path, opening=opening):
            if "ann" in str(path):
                raise PermissionError(13, "Permission denied")
            return opening(path)

        monkeypatch.setattr(module, name_, refuse)  # root may read everything
    ann, bo = grade_class(tmp_path, [FIRST]).students
    assert "cannot be read: [Errno 13] Permission denied" in ann.about
    assert (ann.score, bo.score) == (0, FIRST.most)


def test_a_table_is_printed_even_where_its_files_cannot_be_written(tmp_path):
    lay_out(tmp_path, {f"ann/{FIRST.name}.py": SOLUTION})
    done = exercises_command("grade", tmp_path, "--only", "1", "--csv", "/dev/full")
    assert done.returncode == 2
    assert "/dev/full could not be written" in done.stderr
    assert f"{FIRST.most}  +" in done.stdout


def test_scores_that_cannot_be_written_end_without_a_traceback(answers):
    done = pytest_in(
        ROOT, "exercises", "--answers", answers, "--only", "1", "--scores", "/dev/full"
    )
    assert done.returncode == 3
    assert "/dev/full could not be written" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_name_that_no_exercise_has_is_told(answers, tmp_path):
    done = pytest_in(ROOT, "exercises", "--answers", answers, "-k", "getitm")
    assert "none fits" in done.stdout
    assert "getitem" in done.stdout
    assert "no exercise nosuch" in exercises_command("mutants", "nosuch").stderr
    file = tmp_path / f"{FIRST.name}.py"
    file.write_text(SOLUTION)
    assert "no folder" in pytest_in(ROOT, "exercises", "--answers", file).stderr
    assert "is a file" in exercises_command("start", file).stderr


def test_commands_that_are_told_run_where_they_are_told(answers):
    (answers / f"{FIRST.name}.py").write_text("x = 1")
    done = pytest_in(ROOT / "exercises", ".", "--answers", answers, "--only", "1")
    assert "Next hint:  pytest . --answers" in done.stdout


def test_a_release_refuses_only_what_it_would_hand_out_and_before_it_writes(tmp_path):
    (tmp_path / "there.zip").touch()
    both = (tmp_path / "copy", "--gradescope", tmp_path / "there.zip", "--only", "3")
    assert "is there already" in exercises_command("release", *both).stderr
    assert not (tmp_path / "copy").exists()
    for place in (("--gradescope", "exercises/a.zip"), (tmp_path / "there.zip" / "copy",)):
        done = exercises_command("release", *place)
        assert re.search(r"inside exercises/|is a file", done.stderr), done.stderr


# The course systems


def test_the_autograder_grades_in_gradescopes_layout(answers, tmp_path):
    base = tmp_path / "autograder"
    assert exercises_command("release", "--gradescope", tmp_path / "a.zip").returncode == 0
    base.mkdir()
    subprocess.run(["unzip", "-q", tmp_path / "a.zip", "-d", base / "source"], check=True)
    for script in ("setup.sh", "run_autograder"):
        assert os.access(base / "source" / script, os.X_OK)
        assert subprocess.run(["bash", "-n", base / "source" / script]).returncode == 0
    (base / "results").mkdir()
    (base / "submission").symlink_to(answers)
    (base / "source" / ".venv" / "bin").mkdir(parents=True)  # what setup.sh makes
    (base / "source" / ".venv" / "bin" / "python").write_text(
        f'#!/bin/bash\nexec {sys.executable} "$@"\n'
    )
    (base / "source" / ".venv" / "bin" / "python").chmod(0o755)
    (answers / "getitem.py").write_text(solution(5))
    env = {**os.environ, "AUTOGRADER": str(base)}
    env.pop("GITHUB_STEP_SUMMARY", None)
    done = subprocess.run(
        [base / "source" / "run_autograder"], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((base / "results" / "results.json").read_text())
    assert "Please call it ex05_getitem.py" in results.pop("output")
    check_gradescope(results, sum(EXERCISES[i].most for i in (0, 1, 3, 4)))
    told = [one["output"] for one in results["tests"] if len(one["output"]) > 80]
    assert len(told) == len(set(told))  # each text once


def test_setup_refuses_an_old_python_before_it_downloads_anything(tmp_path):
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "python3").write_text("#!/bin/sh\nexit 1\n")  # older than 3.11
    (bin_folder / "python3").chmod(0o755)
    bash = shutil.which("bash")
    done = subprocess.run(
        [bash, HANDOUT / "setup.sh"], env={"PATH": str(bin_folder)}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "python3.11-venv" in done.stderr


def classroom_commands():
    return re.findall(r"run: (.*?)(?:  #.*)?$", (HANDOUT / "classroom.yml").read_text(), re.M)


@pytest.mark.parametrize("place", ["exercises/{}/exercise.py", "my_answers/{}.py"])
def test_classroom_has_points_a_total_and_feedback(tmp_path, place):
    command = classroom_commands()[-1]
    copy = tmp_path / "repository"
    assert exercises_command("release", copy, "--classroom").returncode == 0
    assert (copy / ".github" / "workflows" / "classroom.yml").exists()
    for number in (1, 2, 5):
        lay_out(copy, {place.format(name(number)): solution(number)})
    summary, output = tmp_path / "summary.md", tmp_path / "output"
    done = pytest_in(
        copy, *command.removeprefix("python -m pytest ").split(),
        GITHUB_STEP_SUMMARY=str(summary), GITHUB_OUTPUT=str(output),
    )  # fmt: skip
    assert done.returncode == 1
    earned = sum(EXERCISES[n - 1].most for n in (1, 2, 5))
    text = summary.read_text()
    assert f"{earned} of {TOTAL} points" in text
    assert "Read again" in text
    assert text.count("| passed |") == 3
    key, _, value = output.read_text().strip().partition("=")
    result = json.loads(base64.b64decode(value))
    assert key == "result"
    assert result["max_score"] == TOTAL
    assert sum(test["score"] for test in result["tests"]) == earned
    assert result["status"] == "fail"


def test_a_place_for_scores_that_cannot_be_is_told_before_grading(tmp_path):
    done = pytest_in(ROOT, "exercises", "--scores", tmp_path / "no" / "such" / "x.json")
    assert done.returncode == 4
    assert "--scores" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_some_exercises_can_be_graded_by_number(tmp_path):
    scores = tmp_path / "scores.json"
    done = pytest_in(ROOT, "exercises", "--only", "1,5", "--scores", scores)
    assert list(board(done)) == [name(1), name(5)]
    tests = json.loads(scores.read_text())["tests"]
    assert sum(one["max_score"] for one in tests) == EXERCISES[0].most + EXERCISES[4].most
    wrong = pytest_in(ROOT, "exercises", "--only", "1,x")
    assert wrong.returncode == 4
    assert "no exercise x" in wrong.stderr


# Answers that call minicache's own


def wrapped_answers():
    """The bank's; that of exercise 13 is none: it uses minicache's parts, and not its function."""
    own = [e for e in EXERCISES if e.key != "logit_attrs"]
    return [f for e in own for f in (e.folder / "meta").glob("right_minicache.py")]


@pytest.mark.parametrize("file", wrapped_answers(), ids=lambda file: file.parts[-3])
def test_an_answer_that_calls_minicaches_own_is_told_and_an_instructor_may_refuse_it(file):
    exercise = load(file.parents[1])
    counted, refused = (grade(exercise, file, wrappers=allowed) for allowed in (True, False))
    assert (counted.status, counted.score) == ("passed", exercise.most)
    assert "minicache's own" in counted.notes[-1]
    assert (refused.status, refused.score) == ("wrong", 0)
    assert "minicache's own" in feedback(refused)


def test_an_answer_that_uses_other_parts_of_minicache_is_no_wrapper():
    result = grade(EXERCISES[12], EXERCISES[12].folder / "meta" / "right_minicache.py")
    assert (result.status, result.notes) == ("passed", ())


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_each_task_ends_with_what_of_minicache_may_be_used(exercise):
    task = ast.get_docstring(ast.parse(exercise.stub.read_text()))
    assert task.splitlines()[-2:] == ["", rule(exercise.name)]


def test_the_rule_names_each_thing_once_and_says_all_where_there_is_none():
    assert rule("ex03_run_with_cache").endswith("its own `run_with_cache` or `get_caching_hooks`.")
    assert rule("ex08_autodiff_scope") == "You may use all of minicache."


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_a_reference_is_no_wrapper_and_what_is_watched_for_is_there(exercise):
    assert all(callable(own) for _, own in find_own(exercise.name))
    result = grade(exercise, exercise.folder / "meta" / "solution.py", wrappers=False)
    assert result.status == "passed"
    assert result.notes == ()


@pytest.mark.parametrize(
    "code",
    [
        "from minicache import get_act_name",
        "import minicache\nget_act_name = lambda *a, **k: minicache.get_act_name(*a, **k)",
        "from minicache import get_act_name as own\ndef get_act_name(*a): return own(*a)",
        "from functools import partial\nimport minicache.names as n\n"
        "def get_act_name(*a): return partial(getattr(n, 'get_act' + '_name'), *a)()",
    ],
)
def test_a_wrapper_is_noticed_however_it_is_written(tmp_path, code):
    answer = tmp_path / "answer.py"
    answer.write_text(code)
    assert grade(EXERCISES[3], answer, wrappers=False).score == 0
    assert any("minicache's own" in note for note in grade(EXERCISES[3], answer).notes)


WHOLE_OR_NEARLY = {  # by exercise: an answer, and what of minicache's own it leans on
    3: (
        """
def run_with_cache(model, tokens, names_filter=None):
    cache, fwd_hooks, _ = model.get_caching_hooks(names_filter)
    with model.hooks(fwd_hooks):
        return model(tokens), cache
""",
        "get_caching_hooks",
    ),
    12: (
        """
from minicache.analysis.frozen_norm import FrozenNorm
def apply_ln(parts, scale, weight):
    return FrozenNorm(weight, 0 * weight, scale).apply(parts)
""",
        "FrozenNorm",
    ),
}


@pytest.mark.parametrize("number", WHOLE_OR_NEARLY)
def test_an_answer_that_leans_on_nearly_the_whole_is_a_wrapper_too(number, tmp_path):
    code, own = WHOLE_OR_NEARLY[number]
    (tmp_path / "answer.py").write_text(code)
    result = grade(EXERCISES[number - 1], tmp_path / "answer.py")
    assert result.status == "passed"
    assert f"minicache's own `{own}`" in result.notes[-1]


@pytest.mark.parametrize(("number", "asked"), [(2, "hooks"), (12, "apply_ln")])
def test_an_answer_that_imports_itself_from_earlier_is_a_wrapper(number, asked, tmp_path):
    answer = tmp_path / f"{name(number)}.py"
    answer.write_text(f"from exercises.earlier import {asked}\n")
    result = grade(EXERCISES[number - 1], answer, find=lambda exercise: answer)
    assert result.status == "passed"
    assert f"minicache's own `{asked}`" in result.notes[-1]


def test_an_answer_with_another_context_manager_of_its_own_is_no_wrapper(tmp_path):
    """All that `contextmanager` makes shares its code with minicache's `hooks`."""
    answer = tmp_path / "answer.py"
    answer.write_text("""
from contextlib import ExitStack, contextmanager

@contextmanager
def attached(point, hook):
    handle = point.attach(hook, "fwd", False, False)
    try:
        yield
    finally:
        point.detach(handle)

@contextmanager
def hooks(model, fwd_hooks):
    pairs = [(model.hook_dict[name], hook) for name, hook in fwd_hooks]
    with ExitStack() as stack:
        for point, hook in pairs:
            stack.enter_context(attached(point, hook))
        yield model
""")
    result = grade(EXERCISES[1], answer, wrappers=False)
    assert (result.status, result.notes) == ("passed", ())


# The instructors' pages


def test_the_instructors_pages_know_every_exercise():
    filled = load_site("workshop").filled
    instructors, mistakes = (
        filled((ROOT / "lessons" / f"{page}.md").read_text())
        for page in ("instructors", "mistakes")
    )
    for exercise in EXERCISES:
        row = next(
            r for r in instructors.splitlines() if f"{exercise.number} `{exercise.key}`" in r
        )
        assert re.search(rf"\| {exercise.most} \| \d+ \| (easy|middle|hard) \|", row)
    assert "<!--" not in instructors + mistakes


def test_the_minutes_of_each_timetable_sum_to_what_it_says():
    text = (ROOT / "lessons" / "instructors.md").read_text()
    head, *rows = re.findall(r"^\| (.*) \|$", text[text.index("| | 90 minutes") :], re.M)[:16]
    columns = list(zip(*([cell.strip() for cell in row.split("|")] for row in rows), strict=True))
    assert columns[0][-2] == "**together**"
    for title, column in zip(head.split("|")[1:], columns[1:], strict=True):
        said = int(column[-2].strip("*"))
        assert sum(int(cell) for cell in column[:-2] if cell) == said, title
    assert [column[-2] for column in columns[1:]] == ["**90**", "**180**", "**340**"]


def test_the_page_of_mistakes_has_each_cause_once_with_its_names_and_folds_the_slips():
    filled = load_site("workshop").filled((ROOT / "lessons" / "mistakes.md").read_text())
    parts = re.split(r"^## (\d+) .*$", filled, flags=re.M)[1:]
    for exercise, text in zip(EXERCISES, parts[1::2], strict=True):
        open_part, _, folded = text.partition("??? note")
        found = {}
        for entry in re.findall(r"^ *- (`.*)$", text, re.M):
            names, cause = re.fullmatch(r"((?:`[^`]+`, )*`[^`]+`): (.*)", entry).groups()
            assert cause not in found
            found[cause] = set(re.findall(r"`([^`]+)`", names))
        asked = {}
        for known in edits_of(exercise):
            asked.setdefault(" ".join(known.cause.split()), set()).add(known.name)
        assert found == asked
        assert "\n- `slip" not in open_part
        assert all(entry.startswith("    - `slip ") for entry in folded.splitlines()[2:] if entry)


def test_the_commands_of_the_documents_are_commands_that_there_are():
    """Each line for `python -m exercises` and `pytest exercises` parses with the options it has."""
    pages = (
        "exercises/README.md",
        "lessons/instructors.md",
        "exercises/commands/handout/README.md",
    )
    blocks = [
        b
        for page in pages
        for b in re.findall(r"```bash\n(.*?)```", (ROOT / page).read_text(), re.S)
    ]
    lines = [line.partition("  #")[0].split() for block in blocks for line in block.splitlines()]
    ours = [line[3:] for line in lines if line[:3] == ["python", "-m", "exercises"]]
    assert len(ours) >= 9
    for words in ours:
        _parser().parse_args(words)
    graded = [line[1:] for line in lines if line[:1] == ["pytest"]]
    assert len(graded) >= 6
    known = {f"--{name}" for name in OPTIONS} | {"--junitxml"}
    for words in graded:
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known
