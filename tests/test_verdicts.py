"""What the grader says of an answer: what it changed, what it printed, and whose failure it was."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from exercises import earlier
from exercises.grader.bank import HOME, exercises_in, grade, load
from exercises.grader.child import watch
from exercises.grader.look import differs, observe
from exercises.grader.report import feedback, hints
from exercises.grader.state import changes, picture, restore, settings
from minicache import HookPoint

BY_NAME = {exercise.name: exercise for exercise in exercises_in()}
LN = BY_NAME["ex12_apply_ln"]
SOLUTION = (LN.folder / "meta" / "solution.py").read_text()


def graded(exercise, code, folder, **more):
    answer = folder / f"{exercise.name}.py"
    answer.write_text(code)
    return grade(exercise, answer, **more)


# What a call is given is left as it was


class Tap(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.hook_out = HookPoint()


def swapped(given):
    given["entries"]["z"] = given["entries"]["z"] + 1


CHANGES = {
    "it changed `z` in place": lambda g: g["z"].add_(1),
    "it changed `z.requires_grad`": lambda g: g["z"].requires_grad_(),
    "it changed `model.layer.weight` in place": lambda g: g["model"].layer.weight.data.mul_(2),
    "it moved `model.layer.weight` to meta": lambda g: g["model"].to("meta"),
    "it left 1 hook(s) on `model.hook_out`": lambda g: g["model"].hook_out.add_hook(print),
    "it took 1 hook(s) off `model.hook_in`": lambda g: g["model"].hook_in.remove_hooks(),
    "it left 1 hook(s) on `model.layer`": lambda g: g["model"].layer.register_forward_hook(print),
    "it changed `model.training`: it was True, and is False": lambda g: g["model"].eval(),
    "it changed the keys of `entries`": lambda g: g["entries"].pop("z"),
    "it changed `entries['z']` in place": swapped,
    "it changed the length of `names`": lambda g: g["names"].append("x"),
    "it changed `names[0]`: it was 'a', and is 'b'": lambda g: g["names"].__setitem__(0, "b"),
}


@pytest.mark.parametrize("told", CHANGES)
def test_what_a_call_changed_is_named(told):
    model = Tap()
    model.hook_in = HookPoint()
    model.hook_in.add_hook(str)
    given = {
        "z": torch.tensor([1.0, torch.nan]),
        "model": model,
        "entries": {"z": torch.ones(2)},
        "names": ["a"],
    }
    before = picture(given)
    assert changes(before, picture(given)) == []
    CHANGES[told](given)
    assert told in changes(before, picture(given))


def test_settings_are_given_back_and_named():
    before = settings()
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    told = restore(before)
    assert settings() == before
    assert told == [
        "it left the grad mode changed, from True to False",
        "it left the default dtype changed, from torch.float32 to torch.float64",
    ]
    assert restore(before) == []


def test_a_right_result_with_a_changed_argument_is_wrong(tmp_path):
    code = SOLUTION.replace("    return", "    scale.zero_()\n    return").replace(
        "/ scale", "/ +scale"
    )
    result = graded(LN, code, tmp_path)
    assert result.score == 0
    assert "it changed `scale` in place" in feedback(result) or "scale" in result.set_up


def test_grad_mode_that_a_call_leaves_off_costs_that_call(tmp_path):
    code = f"import torch\n{SOLUTION}".replace(
        "    return", "    torch.set_grad_enabled(0 > 1)\n    return"
    )
    told = feedback(graded(LN, code, tmp_path))
    assert "it left the grad mode changed, from True to False" in " ".join(told.split())


# What a learner reads


def test_what_was_printed_is_shown_of_the_failing_check_only(tmp_path):
    code = SOLUTION.replace(
        "    return centred", "    print('parts:\\n ', len(parts))\n    return parts.ndim * centred"
    )
    code = code.replace("parts.ndim * centred", "(1 if len(parts) > 1 else 2) * centred")
    result = graded(LN, f"print('imported')\n{code}", tmp_path)
    told = feedback(result)
    assert "  | parts:\n  |   6\n" in told  # verbatim
    assert "imported" not in told


def test_the_set_up_and_the_other_failing_checks_are_named(tmp_path):
    told = feedback(graded(LN, SOLUTION.replace("/ scale", ""), tmp_path))
    flat = " ".join(told.split())
    assert "with parts [6, 2, 5, 10] float64, scale [2, 5, 1] float64, weight [10] float64" in flat
    assert "Also failing: a part has the same share in any company; the shares sum" in flat
    assert "lessons/05_logits.md" in flat


def test_a_missing_function_is_named(tmp_path):
    told = feedback(graded(LN, SOLUTION.replace("def apply_ln", "def aply_ln"), tmp_path))
    assert "There is no `apply_ln` in the file." in told
    assert "answer" not in told.split("Read again")[0].replace("your answer", "")


def test_only_a_stubs_own_line_is_not_written_yet(tmp_path):
    stub = SOLUTION.replace("    return", "    raise NotImplementedError\n    return")
    assert "not written yet: your line" in feedback(graded(LN, stub, tmp_path))
    torchs = f"import torch\n{SOLUTION}".replace(
        "    return", "    torch.empty(2, device='meta').tolist()\n    return"
    )
    told = feedback(graded(LN, torchs, tmp_path))
    assert "NotImplementedError" in told
    assert "not written yet" not in told


def test_a_check_of_its_own_has_its_hint_first(tmp_path):
    folder = tmp_path / "ex99_own"
    folder.mkdir()
    text = "# Hints\n\n## Hint 1\n\nfirst\n\n## Hint 2\n\nsecond\n\n## the_gate\n\nfor the gate\n"
    (folder / "hints.md").write_text(text)
    own = replace(LN, folder=folder)
    assert hints(own, "test_the_gate") == ["for the gate", "first", "second"]
    assert hints(own) == hints(own, "test_another") == ["first", "second"]


def test_exceptions_with_other_words_are_not_taken_for_each_other():
    def fails(error):
        raise error

    one, two = (
        observe(lambda words=words: fails(RuntimeError(words)), "", "answer.py")
        for words in ("Inference tensors cannot be saved", "the sizes do not match")
    )
    assert differs(one, two) is None  # both are what was asked for: a RuntimeError
    assert one["text"] != two["text"]  # and they are no sign of the same cause


# The grader's own failures


BROKEN = """
from exercises.grader.kit import points
TITLE, LESSON = "broken", "lesson 5"

def test_gate(answer, see):
    see("apply_ln", lambda: 1)
    {}
"""


@pytest.mark.parametrize(
    "mistake",
    ["1 / 0", "see('x', lambda: 1, given_wrong=see.no_such_thing)", "raise SystemExit(0)"],
)
def test_a_mistake_in_a_check_is_the_graders_own(mistake, tmp_path):
    folder = tmp_path / "ex98_broken"
    folder.mkdir()
    (folder / "test_exercise.py").write_text(BROKEN.format(mistake))
    shutil.copy(LN.folder / "record.json", folder)
    result = graded(load(folder), SOLUTION, tmp_path)
    assert (result.status, result.score) == ("not graded", 0)
    assert "The grader failed; this is not your answer." in feedback(result)


def test_a_record_that_does_not_fit_is_the_graders_own(tmp_path):
    folder = tmp_path / "ex97_broken"
    shutil.copytree(LN.folder, folder)
    (folder / "record.json").write_text('{"stub": ""}')
    result = graded(load(folder), SOLUTION, tmp_path)
    assert result.status == "not graded"


def test_limits_below_ours_are_kept(tmp_path):
    """`ulimit -v` and `-f` of whoever started the grader may be less than what the child sets."""
    (tmp_path / f"{LN.name}.py").write_text(SOLUTION)
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)); "
        "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", code, "exercises", "-p", "no:cacheprovider", "-k", "apply_ln",
         "--answers", str(tmp_path)],
        cwd=HOME.parent, capture_output=True, text=True, env={**os.environ, "PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_a_warning_with_a_stacklevel_is_no_failure(tmp_path):
    code = SOLUTION.replace(
        "    centred", "    warnings.warn('look', stacklevel=2)\n    centred", 1
    )
    assert graded(LN, f"import warnings\n{code}", tmp_path).status == "passed"


# Earlier answers


USES = """
from exercises.earlier import apply_ln as before


def logit_attrs(model, parts, scale, tokens):
    return before(parts, scale, model.ln_final.w), None
"""


def test_the_stand_in_is_a_right_answer(tmp_path):
    answer = tmp_path / "answer.py"
    for name, (exercise, _) in earlier.FROM.items():
        answer.write_text(f"from exercises.earlier import {name}\n")
        assert grade(BY_NAME[exercise], answer).status == "passed", name


def test_an_earlier_answer_is_used_where_it_passes(tmp_path):
    """Told by a mark that only the learner's own leaves."""
    own = tmp_path / "own.py"
    own.write_text(SOLUTION.replace("    return", "    print('mine')\n    return"))
    found = []

    def find(exercise):
        found.append(exercise.name)
        return own

    def printed(file):
        own.write_text(file)
        answer = tmp_path / "answer.py"
        answer.write_text(USES)
        return grade(BY_NAME["ex13_logit_attrs"], answer, find=find).printed

    assert "mine" in printed(own.read_text())
    assert found == [LN.name]
    assert "mine" not in printed(own.read_text().replace("/ scale", ""))  # wrong: it stands aside


def test_a_name_that_no_exercise_asked_for_is_refused():
    with pytest.raises(AttributeError, match="apply_ln"):
        earlier.no_such_name  # noqa: B018


def test_the_child_reports_what_it_was_doing_when_it_ended(tmp_path):
    answer = tmp_path / "answer.py"
    answer.write_text(SOLUTION.replace("    return", "    import os; os._exit(4)\n    return"))
    sighting = watch(LN.folder / "test_exercise.py", answer, 10)
    assert "exit status 4" in sighting.ended
    assert sighting.during == "apply_ln(parts, scale, weight)"
    assert sighting.broken == ""
