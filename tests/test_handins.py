"""Hand-ins as people make them: encodings, names and places that the documents do not ask for."""

from __future__ import annotations

import codecs
import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from exercises.grader import handins
from exercises.grader.bank import exercises_in, grade
from exercises.grader.handins import find_answers, may_lie_there
from exercises.grader.unpack import LARGE, unpack
from tests.test_grader import ROOT, board, pytest_in

EXERCISES = exercises_in()
FIRST = EXERCISES[0]
SOLUTION = (FIRST.folder / "meta" / "solution.py").read_text()


@pytest.mark.parametrize(
    ("before", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        ("# -*- coding: latin-1 -*-\n# schön\n".encode("latin-1"), "latin-1"),
        ("# coding: cp1252\n# 5 €\n".encode("cp1252"), "cp1252"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_answer_is_read_as_python_reads_it(tmp_path, before, encoding, newline):
    answer = tmp_path / "answer.py"
    for text, status in ((SOLUTION, "passed"), (FIRST.stub.read_text(), "not started")):
        answer.write_bytes(before + text.replace("\n", newline).encode(encoding))
        assert grade(FIRST, answer).status == status


@pytest.mark.parametrize(
    "content", [b"# coding: no-such-code\n", b"# sch\xf6n\n", "x = 1".encode("utf-16")]
)
def test_a_file_that_python_cannot_read_is_told(tmp_path, content):
    answer = tmp_path / "answer.py"
    answer.write_bytes(content)
    result = grade(FIRST, answer)
    assert (result.status, result.score) == ("crashed", 0)
    assert "cannot be read" in result.problem


def written(number: int, more: str = "") -> str:
    """An answer to an exercise, without its task, so that only its name says what it is."""
    solution = EXERCISES[number - 1].folder / "meta" / "solution.py"
    return solution.read_text().partition('"""\n')[2] + more


def stub(number: int) -> str:
    return EXERCISES[number - 1].stub.read_text()


def lay_out(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return find_answers(folder, EXERCISES)


@pytest.mark.parametrize(
    "place",
    [
        *("ex05_getitem.py", "ex05_getitem/exercise.py", "exercises/ex05_getitem/exercise.py"),
        *("alice/ex05_getitem.py", "my-copy/exercises/ex05_getitem/exercise.py"),
        "one/in/another/ex05_getitem/exercise.py",
        *("minicache/exercises/ex05_getitem/exercise.py", "minicache/my_answers/ex05_getitem.py"),
    ],
)
def test_an_answer_is_found_where_the_documents_place_it(tmp_path, place):
    (tmp_path / "__MACOSX").mkdir()
    handin = lay_out(tmp_path, {place: written(5)})
    assert handin.files == {"ex05_getitem": tmp_path / place}
    assert may_lie_there(Path(place))  # in a zip file too
    assert (handin.notes, handin.about(EXERCISES)) == ({}, "")


@pytest.mark.parametrize(
    "name",
    [
        *("getitem.py", "ex05_getitem (1).py", "ex05_getitem-1.py", "ex05_getitem copy.py"),
        *("EX05_GETITEM.PY", "ex5_getitem.py", "ex05.py", "ex05-getitem.py", "Exercise 5.py"),
        *("ex05_getitem_final.py", "week 2/ex05_getitem.py", "Ex05_getitem/exercise.py"),
        *("Copy of ex05_getitem.py", "ada_ex05_getitem.py", "ex05_getitem_l\u00f6sung.py"),
    ],
)
def test_a_file_that_can_only_be_one_exercise_is_graded_and_its_name_is_told(tmp_path, name):
    handin = lay_out(tmp_path, {name: written(5), "report.py": "x = 1"})
    assert handin.files == {"ex05_getitem": tmp_path / name}
    assert name in handin.notes["ex05_getitem"]
    assert "ex05_getitem.py" in handin.notes["ex05_getitem"]
    assert "report.py" in handin.about(EXERCISES)


def test_the_task_in_a_file_says_which_exercise_it_is(tmp_path):
    handin = lay_out(tmp_path, {"exercise.py": stub(5) + "x = 1\n", "mine.py": stub(7)})
    assert handin.files["ex05_getitem"].name == "exercise.py"
    assert handin.files["ex07_slices"].name == "mine.py"


@pytest.mark.parametrize("name", ["ex05_guards.py", "ex99_getitem.py", "helpers.py", "12.py"])
def test_a_name_that_fits_no_exercise_is_named(tmp_path, name):
    handin = lay_out(tmp_path, {name: "x = 1"})
    if name == "12.py":
        assert list(handin.files) == ["ex12_apply_ln"]
    else:
        assert handin.files == {}
        assert name in handin.about(EXERCISES)
        assert "as in ex05_getitem.py" in handin.about(EXERCISES[4:5])


def test_a_written_answer_wins_over_an_untouched_stub_wherever_it_lies(tmp_path):
    handin = lay_out(
        tmp_path,
        {
            "ex05_getitem.py": stub(5),
            "ex05_getitem/exercise.py": written(5),
            "exercises/ex07_slices/exercise.py": stub(7),
            "my_answers/ex07_slices.py": written(7),
        },
    )
    assert handin.files["ex05_getitem"].name == "exercise.py"
    assert handin.files["ex07_slices"].parent.name == "my_answers"


def test_of_two_written_answers_the_one_in_its_place_counts_and_the_other_is_named(tmp_path):
    handin = lay_out(
        tmp_path, {"ex05_getitem.py": written(5), "ex05_getitem (1).py": written(5, "x = 1\n")}
    )
    assert handin.files["ex05_getitem"].name == "ex05_getitem.py"
    assert "Not graded: ex05_getitem (1).py" in handin.notes["ex05_getitem"]


def test_two_that_could_each_be_it_are_not_graded_and_both_are_named(tmp_path):
    handin = lay_out(tmp_path, {"getitem.py": written(5), "ex5.py": written(5, "x = 1\n")})
    assert handin.files == {}
    assert all(name in handin.notes["ex05_getitem"] for name in ("getitem.py", "ex5.py"))


def test_a_classs_folder_is_recognised_and_nobodys_answer_is_graded_as_another_s(tmp_path):
    handin = lay_out(tmp_path, {f"{who}/ex05_getitem.py": written(5) for who in ("ann", "bo")})
    assert handin.files == {}
    assert "python -m exercises grade" in handin.about(EXERCISES)
    assert "ann, bo" in handin.about(EXERCISES)


def test_hidden_files_links_and_other_peoples_code_are_no_answers(tmp_path):
    outside = tmp_path / "outside.py"
    outside.write_text(written(5))
    folder = tmp_path / "handed_in"
    handin = lay_out(
        folder,
        {".venv/lib/getitem.py": "", "__MACOSX/._ex05_getitem.py": "", "minicache/slices.py": ""},
    )
    (folder / "ex05_getitem.py").symlink_to(outside)
    linked = find_answers(folder, EXERCISES)
    assert linked.files == handin.files == {}
    answer, notes = linked.answer(EXERCISES[4])
    assert not answer.exists()
    assert "ex05_getitem.py is a link" in notes[0]


@pytest.mark.parametrize(
    "name", ["ex05_getitem.ipynb", "getitem.py.txt", "Ex05_getitem (1).zip", "work/ex5.txt"]
)
def test_an_answer_in_another_kind_of_file_is_named_and_not_graded(tmp_path, name):
    handin = lay_out(tmp_path, {name: "{}", "requirements.txt": "", "ex01_hook_point.py": stub(1)})
    assert list(handin.files) == ["ex01_hook_point"]
    assert f"{name} is no Python file" in handin.notes["ex05_getitem"]
    assert "requirements" not in handin.about(EXERCISES)
    (tmp_path / "ex05_getitem.py").write_text(written(5))
    assert find_answers(tmp_path, EXERCISES).about(EXERCISES) == ""


def test_only_names_of_what_is_graded_are_told(tmp_path):
    handin = lay_out(tmp_path, {"getitem.py": written(5), "ex01_hook_point.py": written(1)})
    assert "getitem.py" in handin.about(EXERCISES)
    assert handin.about(EXERCISES[:3]) == ""


def test_the_package_in_a_clone_is_not_looked_through():
    for inside in (
        "minicache/slices.py",
        "clone/minicache/slices.py",
        "minicache/minicache/ex5.py",
    ):
        assert not may_lie_there(Path(inside))


def test_a_repositorys_own_files_are_not_listed_as_no_exercises(tmp_path):
    own = ("earlier.py", "conftest.py", "__main__.py", "grader/bank.py", "ex01_hook_point/hints.md")
    files = {f"clone/exercises/{file}": "" for file in own}
    handin = lay_out(tmp_path, {**files, "clone/exercises/ex01_hook_point/exercise.py": written(1)})
    assert list(handin.files) == ["ex01_hook_point"]
    assert handin.about(EXERCISES) == ""


def test_what_is_right_in_name_and_not_in_place_is_told_so(tmp_path):
    handin = lay_out(tmp_path, {"a.py": "", "src/mine/ex05_getitem.py": written(5)})
    assert handin.notes["ex05_getitem"].endswith("Please put it at the top.")


def test_what_was_found_is_told_with_the_scoreboard(tmp_path):
    lay_out(tmp_path / "zip", {"getitem.py": written(5), "ex01_hook_point.py": written(1)})
    (tmp_path / "zip" / "essay.py").write_text("")
    done = pytest_in(ROOT, "exercises", "-k", "getitem", "--answers", tmp_path)
    assert board(done)["ex05_getitem"][0] == "passed"
    assert "getitem.py. Please call it ex05_getitem.py" in " ".join(done.stdout.split())
    assert "essay.py" in done.stdout
    empty = tmp_path / "empty"
    shutil.copytree(tmp_path / "zip", empty / "a")
    shutil.copytree(tmp_path / "zip", empty / "b")
    done = pytest_in(ROOT, "exercises", "-k", "getitem", "--answers", empty)
    assert board(done)["ex05_getitem"][:2] == ("not started", 0)
    assert "python -m exercises grade" in " ".join(done.stdout.split())


def test_the_next_commands_name_the_folder_of_answers(tmp_path):
    folder = tmp_path / "my answers"
    lay_out(folder, {"ex05_getitem.py": stub(5)})
    done = pytest_in(ROOT, "exercises", "-k", "getitem", "--answers", folder)
    told = " ".join(done.stdout.split())
    assert f"pytest exercises --answers '{folder}' -k getitem --hint" in told
    assert f"The task is in {folder / 'ex05_getitem.py'}" in told


def test_days_are_told_like_people_and_what_is_theirs_alone_is_not_graded(tmp_path):
    day = {"day1/ex01_hook_point.py": written(1), "day2/ex01_hook_point.py": "x = 1"}
    handin = lay_out(tmp_path, {**day, "day2/ex05_getitem.py": written(5)})
    assert handin.files == {}
    assert "day1, day2" in handin.about(EXERCISES)
    assert "If they are one person's" in handin.about(EXERCISES)


def test_places_near_the_top_are_looked_at_before_many_files_below(tmp_path, monkeypatch):
    monkeypatch.setattr(handins, "MOST", 20)
    many = {f"a/data/{number}.txt": "" for number in range(40)}
    handin = lay_out(tmp_path, {**many, "my_answers/ex05_getitem.py": written(5)})
    assert "more than 20 files" in handin.about(EXERCISES)
    assert list(handin.files) == ["ex05_getitem"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "ex05_getitem.py")
    assert lay_out(tmp_path, {"a/ex01_hook_point.py": written(1)}).files.keys() == {
        "ex01_hook_point"
    }


def zipped(file, entries):
    with zipfile.ZipFile(file, "w") as packed:
        for name, data in entries.items():
            packed.writestr(name, data)
    return file


def test_a_zip_file_brings_what_an_answer_may_read_and_not_what_is_large(tmp_path):
    link = zipfile.ZipInfo("link.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    left_out = ("__MACOSX/._w.json", "ada/.git/config", "../out.py", "/etc/out.py", link)
    file = zipped(tmp_path / "a.zip", {
        "ada\\ex05_getitem.py": "x = 1", "ada/w.json": "{}",
        "ada/ex01_hook_point.ipynb": b"0" * LARGE * 2, **dict.fromkeys(left_out, "ada"),
    })  # fmt: skip
    unpack(file, tmp_path / "here")
    inside = sorted(
        path.relative_to(tmp_path / "here").as_posix()
        for path in (tmp_path / "here").rglob("*")
        if path.is_file()
    )
    assert inside == ["ada/ex01_hook_point.ipynb", "ada/ex05_getitem.py", "ada/w.json"]
    assert (tmp_path / "here/ada/ex01_hook_point.ipynb").stat().st_size == 0


def test_a_zip_file_that_is_too_large_or_locked_is_told(tmp_path):
    large = zipped(tmp_path / "large.zip", {f"{n}.py": b"#" * (8 << 20) for n in range(3)})
    with pytest.raises(ValueError, match="more than 20 MB"):
        unpack(large, tmp_path / "here")
    locked = zipped(tmp_path / "locked.zip", {"ex01.py": "x"})
    data = bytearray(locked.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the bit that says so, in the list at the end
    locked.write_bytes(data)
    with pytest.raises(ValueError, match="has a password"):
        unpack(locked, tmp_path / "here")
