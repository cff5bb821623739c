"""The bank: right answers pass, wrong ones are rejected, and no false cause is named."""

from __future__ import annotations

import ast
import json
import random
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from exercises.commands.record import edits_of, make_record
from exercises.grader.bank import exercises_in, grade
from exercises.grader.child import watch
from exercises.grader.look import observe
from exercises.grader.report import feedback, hints
from exercises.grader.variants import (
    LOCAL,
    diagnose,
    edited,
    faults,
    places,
    read_sights,
    sights,
    signature,
    write_sights,
)

pytestmark = pytest.mark.long
EXERCISES = exercises_in()
RIGHT = [(e, f) for e in EXERCISES for f in sorted((e.folder / "meta").glob("right_*.py"))]
WRONG = [(e, edit) for e in EXERCISES for edit in edits_of(e)]
LARGEST_RECORDS = 600_000  # bytes, all together: a student's copy carries them


def name(value):
    return value.stem if isinstance(value, Path) else value.name


graded = cache(lambda exercise, file: grade(exercise, file))


def grade_code(exercise, code, folder):
    answer = folder / "answer.py"
    answer.write_text(code, "utf-8")
    return grade(exercise, answer)


def source(exercise):
    return (exercise.folder / "meta" / "solution.py").read_text("utf-8")


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
        result = grade_code(exercise, code.replace("raise NotImplementedError", body), tmp_path)
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
    assert grade_code(exercise, ast.unparse(tree), tmp_path).score == 0


@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_the_bank_is_large_enough_and_each_check_has_a_hint(exercise):
    assert sum(e is exercise for e, _ in RIGHT) >= 3
    assert sum(e is exercise for e, _ in WRONG) >= 4
    assert len(hints(exercise)) == 3
    heads = (exercise.folder / "hints.md").read_text("utf-8").split("\n## ")[1:]
    of_checks = {head.split("\n")[0] for head in heads if not head.startswith("Hint ")}
    _, *others = (check.removeprefix("test_") for check in exercise.checks)
    assert of_checks == {*others}  # the three are about the first


@pytest.mark.parametrize(("exercise", "file"), RIGHT, ids=name)
def test_every_right_variant_has_full_marks(exercise, file):
    result = graded(exercise, file)
    assert result.status == "passed", feedback(result)
    wraps = any("minicache's own" in note for note in result.notes)
    assert file.stem == "right_minicache" or not wraps, result.notes


def twins(exercise, edit):
    """The causes of edits that are not local, and show all that this local one shows."""
    edits = recorded(exercise)["edits"]
    shown = read_sights(edits[edit.name]["seen"]).items()
    return {
        other["cause"]
        for name, other in edits.items()
        if not name.startswith(LOCAL) and shown <= read_sights(other["seen"]).items()
    }


@pytest.mark.parametrize(("exercise", "edit"), WRONG, ids=name)
def test_every_wrong_variant_is_rejected_with_its_own_cause(exercise, edit, tmp_path):
    result = grade_code(exercise, edited(source(exercise), [edit]), tmp_path)
    assert result.score < exercise.most
    assert result.status in ("wrong", "crashed")
    cause = " ".join(edit.cause.split())
    if edit.local:  # it may be a part of what a larger mistake shows, and then that one is told
        assert {cause, *twins(exercise, edit)} & set(result.causes)
    else:
        assert list(result.causes) == [cause]
    told = feedback(result)
    assert "Traceback" not in told
    assert "tensor(" not in told
    assert len(told.splitlines()) <= 30
    assert max(map(len, told.splitlines())) <= 90


# To warm up `fn` is to call it twice; to look up anything is a KeyError for what is no address.
ALSO = {"warms_up": "calls_twice", "looks_up_anything": "key_error_for_no_address"}


def true_causes(exercise, edits):
    """The causes of the edits, and of what one of them implies: it shows all that this shows."""
    of_all = recorded(exercise)["edits"]
    known = {name: read_sights(one["seen"]).items() for name, one in of_all.items()}
    implied = {name for name, at in known.items() if at and any(at <= known[e.name] for e in edits)}
    implied |= {ALSO[edit.name] for edit in edits if edit.name in ALSO}
    local = [twins(exercise, edit) for edit in edits if edit.local]
    written = {" ".join(edit.cause.split()) for edit in edits}
    return written | {of_all[name]["cause"] for name in implied} | set().union(*local)


PAIRS = random.Random(0).sample(
    [(e, one, two) for e in EXERCISES for one, two in combinations(edits_of(e), 2)
     if not (one.local and two.local) and edited(source(e), [one, two])], 200
)  # fmt: skip


def test_no_cause_is_named_that_is_not_in_the_answer(tmp_path):
    """Of 200 answers with two mistakes each."""
    named = 0
    for exercise, *edits in PAIRS:
        result = grade_code(exercise, edited(source(exercise), edits), tmp_path)
        causes = true_causes(exercise, edits)
        names = [edit.name for edit in edits]
        assert set(result.causes) <= causes, f"{exercise.name}: {names}\n{feedback(result)}"
        named += bool(result.causes)
    assert named > 150  # the others behave like a third mistake too, and then nothing is said


def recorded(exercise):
    return json.loads((exercise.folder / "record.json").read_text())


@pytest.mark.parametrize("exercise", EXERCISES, ids=name)
def test_the_record_is_what_the_files_show_today(exercise):
    kept = recorded(exercise)
    made, conflicts = make_record(exercise, with_pairs=False)
    assert kept["stub"] == made["stub"]
    assert list(kept["shown"]) == list(made["shown"]) == list(exercise.checks)
    assert len(list(places(kept["shown"]))) == len(list(places(made["shown"])))
    assert not faults(kept["shown"], made["shown"])
    assert not conflicts
    assert list(kept["edits"]) == list(made["edits"])
    for edit, one in made["edits"].items():
        assert one["cause"] == kept["edits"][edit]["cause"]
        assert set(read_sights(one["seen"])) == set(read_sights(kept["edits"][edit]["seen"]))


def test_records_are_small_and_tell_no_line_of_a_reference():
    files = {exercise: exercise.folder / "record.json" for exercise in EXERCISES}
    assert sum(file.stat().st_size for file in files.values()) <= LARGEST_RECORDS
    for exercise, file in files.items():
        told, task = file.read_text("utf-8"), exercise.stub.read_text("utf-8")
        for line in map(str.strip, source(exercise).splitlines()):
            assert len(line) < 20 or line in task or line not in told


def test_what_fails_where_the_answer_is_right_is_not_its_cause():
    """Of one check alone a cause is taken from an edit that fails nowhere before it."""

    def seen(*numbers):
        shown = [observe(lambda it=it: it, "", __file__) for it in numbers]
        return {"test_one": {"a": shown[0]}, "test_two": {"b": shown[1], "c": shown[2]},
                "test_three": {"d": shown[3]}}  # fmt: skip

    right = seen(1.0, 2.0, 3.0, 4.0)
    wrong = {"from the start": seen(2.0, 4.0, 6.0, 4.0), "later": seen(1.0, 5.0, 7.0, 4.0)}
    edits = {name: {"cause": name, "seen": write_sights(sights(right, one))}
             for name, one in wrong.items()}  # fmt: skip
    record = {"shown": right, "edits": edits, "pairs": []}
    assert diagnose(record, seen(1.0, 4.0, 6.0, 9.0)) == {}
    assert list(diagnose(record, seen(1.0, 5.0, 7.0, 9.0))) == ["later"]


TRIPLES = [
    (exercise, *random.Random(seed).sample(edits_of(exercise), 3))
    for exercise in EXERCISES
    for seed in range(6)
]


def test_of_three_mistakes_none_is_named_that_is_not_there(tmp_path):
    for exercise, *edits in TRIPLES:
        if (code := edited(source(exercise), edits)) is None:
            continue
        result = grade_code(exercise, code, tmp_path)
        causes = true_causes(exercise, edits)
        names = [edit.name for edit in edits]
        assert set(result.causes) <= causes, f"{exercise.name}: {names}\n{feedback(result)}"


def test_a_signature_withstands_rounding_and_no_more(tmp_path):
    exercise = next(e for e in EXERCISES if e.name == "ex12_apply_ln")
    expected = recorded(exercise)["shown"]
    wrong = source(exercise).replace("centred / scale", "centred")

    def shown(code):
        (tmp_path / "answer.py").write_text(code)
        seen = watch(exercise.folder / "test_exercise.py", tmp_path / "answer.py", 10).seen
        return signature(sights(expected, seen)).split(",")

    one = shown(wrong)
    same = shown(wrong.replace("* weight", "* (weight.float())"))
    other = shown(wrong.replace("* weight", "* (weight * 1.01)"))
    assert one[0] == same[0] == other[0]  # what is discrete is the same
    assert abs(float(one[1]) - float(same[1])) < 1e-3 < abs(float(one[1]) - float(other[1]))


def test_the_same_answer_has_the_same_result_every_time(tmp_path):
    for exercise, edit in WRONG[::17]:
        code = edited(source(exercise), [edit])
        assert grade_code(exercise, code, tmp_path) == grade_code(exercise, code, tmp_path)
