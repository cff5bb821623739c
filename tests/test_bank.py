"""The bank: every right variant passes, every wrong one is rejected with its own feedback."""

from __future__ import annotations

import ast
import json
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from exercises.commands.record import make_record
from exercises.grader.bank import exercises_in, grade
from exercises.grader.look import alike
from exercises.grader.report import feedback, hints

EXERCISES = exercises_in()
GOLDEN = Path(__file__).parent / "feedback"
RIGHT = [(e, f) for e in EXERCISES for f in sorted((e.folder / "meta").glob("right_*.py"))]
WRONG = [(e, f) for e in EXERCISES for f in sorted((e.folder / "meta").glob("wrong_*.py"))]


def name(value):
    return value.stem if isinstance(value, Path) else value.name


graded = cache(lambda exercise, file: grade(exercise, file))


@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_the_reference_has_full_marks(exercise):
    result = grade(exercise, exercise.folder / "meta" / "solution.py")
    assert result.status == "passed", feedback(result)
    assert result.score == exercise.most > 0
    assert result.notes == ()


@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_the_stub_is_not_started_and_has_nothing(exercise):
    result = grade(exercise, exercise.stub)
    assert (result.status, result.score) == ("not started", 0)


@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_a_stub_that_runs_has_nothing_either(exercise, tmp_path):
    """What anything passes earns nothing: the stub with a comment moved, one that gives None, .."""
    code = exercise.stub.read_text()
    for body in ("return None", "return 0", "raise ValueError", "pass"):
        answer = tmp_path / "answer.py"
        answer.write_text(code.replace("raise NotImplementedError", body))
        result = grade(exercise, answer)
        assert result.score == 0, body
        assert result.status in ("wrong", "crashed")


@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_an_answer_that_gives_back_its_input_has_nothing(exercise, tmp_path):
    tree = ast.parse(exercise.stub.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and "NotImplementedError" in ast.dump(node):
            names = [a.arg for a in node.args.args if a.arg != "self"]
            back = names[0] if names else "None"
            node.body = ast.parse(f"def f():\n    return {back}").body[0].body
    answer = tmp_path / "answer.py"
    answer.write_text(ast.unparse(tree))
    assert grade(exercise, answer).score == 0


@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_the_bank_is_large_enough_and_the_hints_are_three(exercise):
    assert sum(e is exercise for e, _ in RIGHT) >= 3
    assert sum(e is exercise for e, _ in WRONG) >= 4
    assert len(hints(exercise)) == 3


@pytest.mark.parametrize(("exercise", "file"), RIGHT, ids=name)
def test_every_right_variant_has_full_marks(exercise, file):
    result = graded(exercise, file)
    assert result.status == "passed", feedback(result)


@pytest.mark.parametrize(("exercise", "file"), WRONG, ids=name)
def test_every_wrong_variant_is_rejected_with_its_own_feedback(exercise, file):
    result = graded(exercise, file)
    assert result.score < exercise.most
    assert result.status in ("wrong", "crashed")
    assert result.feedback == ast.get_docstring(ast.parse(file.read_text()))


def recorded(exercise):
    return json.loads((exercise.folder / "record.json").read_text())


def shown(variant):
    """Where a wrong variant shows something else than the reference, and what."""
    return {(check, label): seen for check, label, seen in variant["shown"]}


def same(one, two):
    return one.keys() == two.keys() and all(alike(one[where], two[where]) for where in one)


@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_no_two_wrong_variants_behave_the_same(exercise):
    for (one, a), (two, b) in combinations(recorded(exercise)["wrong"].items(), 2):
        assert not same(shown(a), shown(b)), f"{one} and {two}"


@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_the_record_is_what_the_files_show_today(exercise):
    kept, made = recorded(exercise), json.loads(json.dumps(make_record(exercise)))
    assert kept["stub"] == made["stub"]
    assert list(kept["shown"]) == list(made["shown"]) == list(exercise.checks)
    for check in exercise.checks:
        assert same(kept["shown"][check], made["shown"][check]), check
    assert list(kept["wrong"]) == list(made["wrong"])
    for variant, one in made["wrong"].items():
        assert one["feedback"] == kept["wrong"][variant]["feedback"]
        assert shown(one).keys() == shown(kept["wrong"][variant]).keys()


@pytest.mark.parametrize(("exercise", "file"), WRONG, ids=name)
def test_what_a_learner_reads_is_the_text_that_was_reviewed(exercise, file):
    """Written anew by `python -m tests.test_bank`; read the difference before you commit it."""
    kept = GOLDEN / exercise.name / f"{file.stem.removeprefix('wrong_')}.txt"
    told = feedback(graded(exercise, file))
    assert told + "\n" == kept.read_text()
    assert "Traceback" not in told
    assert "tensor(" not in told
    assert len(told.splitlines()) <= 24
    assert max(map(len, told.splitlines())) <= 90


def test_the_same_answer_has_the_same_result_every_time():
    for exercise, file in WRONG[::7]:
        assert grade(exercise, file) == graded(exercise, file)


if __name__ == "__main__":
    import shutil

    import torch

    torch.set_num_threads(1)
    shutil.rmtree(GOLDEN, ignore_errors=True)
    for exercise, file in WRONG:
        text = GOLDEN / exercise.name / f"{file.stem.removeprefix('wrong_')}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text(feedback(graded(exercise, file)) + "\n")
