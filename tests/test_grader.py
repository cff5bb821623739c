"""The grader: one broken answer breaks nothing else, and every way to use it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
import torch

from exercises.grader.bank import HOME, exercises_in, fingerprint, grade
from exercises.grader.child import watch
from exercises.grader.look import describe, differs, observe
from exercises.grader.report import feedback, hints, scoreboard

EXERCISES = exercises_in()
FIRST, OTHERS = EXERCISES[0], EXERCISES[1:]
SOLUTION = (FIRST.folder / "meta" / "solution.py").read_text()
ROOT = HOME.parent
TOTAL = sum(exercise.most for exercise in EXERCISES)

# What goes wrong: code before the solution, the status, words of the line that the learner gets.
FAULTS = {
    "syntax error": ("def oops(:", "crashed", "SyntaxError"),
    "import error": ("import no_such_package", "crashed", "no_such_package"),
    "exception at import": ("1 / 0", "crashed", "ZeroDivisionError"),
    "sys.exit": ("import sys; sys.exit(0)", "crashed", "SystemExit"),
    "os._exit": ("import os; os._exit(0)", "crashed", "ended the whole process"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "crashed", "SIGSEGV"),
    "endless loop": ("while True: pass", "timed out", "not done after"),
    "loop that catches all": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "timed out",
        "not done after",
    ),
    "endless torch call": (
        "import torch; torch.ones(12000, 12000) @ torch.ones(12000, 12000)",
        "timed out",
        "not done after",
    ),
    "1 GB printed": ("for _ in range(1024): print('x' * (1 << 20))", "crashed", "16 MB"),
    "50 GB asked of torch": (
        "import torch; torch.empty(50 << 30, dtype=torch.uint8)",
        "crashed",
        "RuntimeError",
    ),
    "50 GB asked of Python": ("bytearray(50 << 30)", "crashed", "MemoryError"),
    "1,000 threads": (
        "import threading, time\n"
        "for _ in range(1000): threading.Thread(target=time.sleep, args=(60,)).start()",
        ("passed", "crashed"),
        "thread",
    ),
    "input": ("input('your name? ')", "crashed", "EOFError"),
    "grad mode": ("import torch; torch.set_grad_enabled(False)", "passed", "the grad mode"),
    "default dtype": (
        "import torch; torch.set_default_dtype(torch.float64)",
        ("passed", "wrong"),
        "the default dtype",
    ),
    "seeds": ("import random, torch; random.seed(7); torch.manual_seed(7)", "passed", "seed"),
    "warnings": ("import warnings; warnings.simplefilter('ignore')", "passed", "filters"),
    "logging": ("import logging; logging.basicConfig(level=10)", "passed", "logging"),
    "sys.path": ("import sys; sys.path.insert(0, '/tmp')", "passed", "sys.path"),
    "sys.modules": (
        "import sys, types, torch\nfrom torch import Tensor, nn\n"
        "sys.modules['torch'] = types.ModuleType('torch')",
        ("passed", "crashed"),
        "torch",
    ),
    "working folder": ("import os; os.chdir('/')", "passed", "the working folder"),
    "torch patched": ("import torch; torch.allclose = lambda *a: True", "passed", "functions"),
    "file beside": (
        "from pathlib import Path; Path(__file__).with_name('junk.txt').write_text('x')",
        "passed",
        "junk.txt",
    ),
}


@pytest.fixture(scope="module")
def alone():
    return {e.name: grade(e, e.folder / "meta" / "solution.py") for e in OTHERS}


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_its_own_exercise_and_no_other(fault, alone, tmp_path):
    code, statuses, words = FAULTS[fault]
    answer = tmp_path / "answer.py"
    answer.write_text(f"{code}\n{SOLUTION}")
    result = grade(FIRST, answer, limit=2)
    told = feedback(result)
    assert result.status in ([statuses] if isinstance(statuses, str) else statuses), told
    assert words in told
    assert "Traceback" not in told
    if result.status in ("crashed", "timed out"):
        assert result.score == 0
    for exercise in OTHERS:
        after = grade(exercise, exercise.folder / "meta" / "solution.py")
        assert after == alone[exercise.name]


def test_what_the_checks_keep_for_all_answers_no_answer_changes_for_the_next(tmp_path):
    ablation = next(one for one in EXERCISES if one.key == "mean_ablation")
    solved = ablation.folder / "meta" / "solution.py"
    harmful = tmp_path / "answer.py"
    spoil = "    model.requires_grad_(False)\n    [p.zero_() for p in model.parameters()]\n"
    start = "def ablate_heads(model, heads, reference):\n"
    harmful.write_text(solved.read_text().replace(start, start + spoil))
    before = grade(ablation, solved)
    assert before.status == "passed"
    assert grade(ablation, harmful).status != "passed"
    assert grade(ablation, solved) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="without fork each child makes its own")
def test_what_the_checks_keep_is_there_when_a_child_begins(tmp_path):
    checks = tmp_path / "ex99_kept" / "test_exercise.py"
    checks.parent.mkdir()
    checks.write_text(
        "import os\nmade = []\ndef make_ready():\n    made.append(os.getpid())\n"
        "def test_it(answer, see):\n    see('made', lambda: [len(made), made[0] == os.getppid()])\n"
    )
    answer = tmp_path / "answer.py"
    answer.write_text("")
    for _ in range(2):
        seen = watch(checks, answer, 10).seen["test_it"]["made"]
        assert seen["value"] == [1, True]


def test_a_fault_in_one_check_keeps_the_points_of_those_before_it(tmp_path):
    answer = tmp_path / "answer.py"
    answer.write_text(
        SOLUTION.replace("self.hooks.clear()", "import os, signal; os.kill(os.getpid(), 9)")
    )
    result = grade(FIRST, answer)
    assert result.status == "crashed"
    assert "SIGKILL" in result.problem
    assert result.score == sum(list(FIRST.checks.values())[:2]) < FIRST.most  # it is the third


def test_the_gate_takes_every_point_while_it_fails(tmp_path):
    answer = tmp_path / "answer.py"
    answer.write_text(SOLUTION.replace("tensor = result", "tensor = result + 1e-3"))
    result = grade(FIRST, answer)
    assert (result.status, result.score) == ("wrong", 0)
    assert "No points count until the first check passes" in feedback(result)


def test_what_an_answer_prints_is_shown_and_harms_nothing(tmp_path):
    answer = tmp_path / "answer.py"
    code = SOLUTION.replace("self.hooks.clear()", "print('I am here')")
    answer.write_text(code)
    assert "I am here" in feedback(grade(FIRST, answer))


def test_a_partly_written_answer_is_told_what_is_missing(tmp_path):
    answer = tmp_path / "answer.py"
    answer.write_text(SOLUTION.replace("self.hooks.clear()", "raise NotImplementedError"))
    told = feedback(grade(FIRST, answer))
    assert "not written yet" in told
    assert "mix-up" not in told


SET_UP = "super().__init__()\n"
UNSET = {  # answers without a super().__init__() in time, and the line that is shown
    "forgotten": (SOLUTION.replace(SET_UP, "pass\n"), "def __init__(self):"),
    "not called": (SOLUTION.replace(SET_UP, "super().__init__\n"), "def __init__(self):"),
    "too late": (
        SOLUTION.replace(SET_UP, "self.part = nn.Identity(); super().__init__()\n"),
        "self.part = nn.Identity(); super().__init__()",
    ),
}


@pytest.mark.parametrize(("code", "line"), UNSET.values(), ids=UNSET)
def test_a_forgotten_super_init_is_named_with_the_learners_own_line(code, line, tmp_path):
    answer = tmp_path / "answer.py"
    answer.write_text(code)
    told = " ".join(feedback(grade(FIRST, answer)).split())
    assert "`HookPoint.__init__` has not called `super().__init__()`" in told
    assert f"at your line {code[: code.index(line)].count(chr(10)) + 1}: {line}" in told
    assert "_backward_hooks" not in told


def test_an_attribute_that_is_missing_from_a_module_that_is_set_up_is_named_as_ever(tmp_path):
    answer = tmp_path / "answer.py"
    answer.write_text(SOLUTION.replace("self.hooks.append", "self.hook.append"))
    told = feedback(grade(FIRST, answer))
    assert "no attribute 'hook'" in told
    assert "super()" not in told


def test_a_file_that_is_no_text_is_told(tmp_path):
    answer = tmp_path / "answer.py"
    answer.write_bytes(b"\xff\xfe\x00")
    result = grade(FIRST, answer)
    assert "Save the file as UTF-8" in " ".join(feedback(result).split())
    assert "It cannot be read" in scoreboard([result])


def test_comments_and_blank_lines_do_not_start_an_exercise(tmp_path):
    stub = FIRST.stub.read_text()
    assert fingerprint(stub + "\n\n# a thought\n") == fingerprint(stub)
    assert fingerprint(stub.replace("super", "supper")) != fingerprint(stub)


# How two sightings are compared


def seen(value, axes=""):
    return observe(lambda: value, axes, "answer.py")


@pytest.mark.parametrize(
    ("came", "wanted", "words"),
    [
        (torch.ones(2, 3), torch.ones(2, 3), None),
        (torch.ones(2, 3), torch.ones(2, 3) + 1e-6, None),
        (torch.ones(2), torch.ones(2, dtype=torch.float64), None),
        (torch.ones(2), torch.ones(2, dtype=torch.int64), "expected:  a tensor [2] of ints"),
        (torch.tensor([10**6]), torch.tensor([10**6 + 1]), "1 of 1 values are not"),
        (10**6, 10**6 + 1, "expected:  1000001"),
        (torch.ones(3, 2), torch.ones(2, 3), "came:      a tensor [3, 2]"),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]), "(at index 1) is 2, and 3 was"),
        (torch.tensor([torch.nan]), torch.tensor([1.0]), "is nan, and 1 was expected"),
        (torch.tensor([-torch.inf, 1.0]), torch.tensor([-torch.inf, 1.0]), None),
        (torch.tensor(2.0), torch.tensor(3.0), "The worst is 2, and 3"),
        (torch.ones(5000), torch.ones(5000), "came:      a tensor [5000]"),
        ([1, 2.0, "x"], (1, 2, "x"), None),
        ([1, 2], [1, 3], "came:      [1, 2]\nexpected:  [1, 3]"),
        ([*range(9), 7], list(range(10)), "from entry 9 on:\ncame:      [7]\nexpected:  [9]"),
        (list(range(12)), list(range(9)), "from entry 9 on:\ncame:      [9, 10, 11]"),
        (list(range(9)), list(range(12)), "expected:  [9, 10, 11]"),
        ([torch.ones(1)], [1], "came:      an object of type list"),
        (None, torch.ones(1), "came:      None\nexpected:  a tensor [1]"),
        (0.1234567, 0.1234566, None),
        (0.1234, 0.1235, "came:      0.1234\nexpected:  0.1235"),
    ],
)
def test_a_difference_is_told_from_coarse_to_fine(came, wanted, words):
    told = differs(seen(came), seen(wanted))
    assert told is None if words is None else words in told, told


def test_an_exception_is_matched_by_its_class_and_shown_with_the_learners_line(tmp_path):
    class MineError(KeyError):
        def __str__(self):
            raise RuntimeError("even this is broken")

    def fails(error):
        raise error

    mine, plain = (observe(lambda e=e: fails(e), "", __file__) for e in (MineError(), KeyError()))
    assert differs(mine, plain) is None
    assert "MineError" in describe(mine)
    assert "raise error" in describe(mine)
    other = observe(lambda: fails(ValueError("no")), "", "elsewhere.py")
    assert "expected:  KeyError, or a subclass" in differs(other, plain)
    assert "your line" not in describe(other)


# pytest exercises


def pytest_in(folder, *arguments, **environment):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    env.pop("GITHUB_STEP_SUMMARY", None)
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # pytest alone is enough to grade
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**env, **environment},
    )


def board(done):
    rows = re.findall(r"^ . (ex\d\d_\w+) +(\D+?) +(\d+)/(\d+)", done.stdout, re.M)
    return {name: (status, int(points), int(most)) for name, status, points, most in rows}


def test_untouched_stubs_have_nothing_and_references_everything():
    stubs = pytest_in(ROOT, "exercises")
    assert stubs.returncode == 1
    assert [row[:2] for row in board(stubs).values()] == [("not started", 0)] * len(EXERCISES)
    assert stubs.stdout.count("Read again") == 1
    references = pytest_in(ROOT, "exercises", "--solutions")
    assert references.returncode == 0, references.stdout
    assert all(
        status == "passed" and points == most for status, points, most in board(references).values()
    )
    for done in (stubs, references):
        assert "Error" not in done.stdout.replace("NotImplementedError", "")
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_one_exercise_by_name_and_by_folder():
    for arguments in (("exercises", "-k", "getitem"), ("exercises/ex05_getitem",)):
        done = pytest_in(ROOT, *arguments)
        assert list(board(done)) == ["ex05_getitem"]
        assert done.returncode == 1
        assert pytest_in(ROOT, *arguments, "--solutions").returncode == 0


def test_workers_of_xdist_share_one_scoreboard(tmp_path):
    scores = tmp_path / "scores.json"
    asked = ("exercises", "-k", "hook_point or slices", "--solutions", "--scores", scores)
    done = pytest_in(ROOT, *asked, "-p", "xdist", "-n", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [status for status, _, _ in board(done).values()] == ["passed"] * 2
    assert "not started" not in scores.read_text()
    assert board(pytest_in(ROOT, *asked)) == board(done)


def test_workers_of_xdist_print_no_failures_beside_the_scoreboard():
    done = pytest_in(ROOT, "exercises", "-k", "hook_point", "-p", "xdist", "-n", "2")
    assert board(done) == {FIRST.name: ("not started", 0, FIRST.most)}
    assert "FAIL" not in done.stdout


def test_a_long_selection_is_a_selection():
    chosen = " or ".join(["slices"] * 60)
    assert list(board(pytest_in(ROOT, "exercises", "-k", chosen))) == ["ex07_slices"]


def test_hints_come_one_by_one_and_are_remembered(tmp_path):
    def hint():
        done = pytest_in(ROOT, "exercises", "-k", "slices", "--hint", XDG_STATE_HOME=str(tmp_path))
        return re.search(r"Hint (\d) of 3\.", done.stdout)[1]

    assert [hint() for _ in range(4)] == ["1", "2", "3", "1"]


def test_where_hints_cannot_be_remembered_all_are_given(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = pytest_in(ROOT, "exercises", "-k", "slices", "--hint", XDG_STATE_HOME=str(blocked))
    assert all(f"Hint {n} of 3" in done.stdout for n in (1, 2, 3))


@pytest.fixture
def answers(tmp_path):
    """A folder of answers: two right, one broken, one in a folder, and files never to be run."""
    folder = tmp_path / "answers"
    folder.mkdir()
    for exercise in EXERCISES[:2]:
        shutil.copy(exercise.folder / "meta" / "solution.py", folder / f"{exercise.name}.py")
    (folder / f"{EXERCISES[2].name}.py").write_text("import os; os._exit(0)")
    (folder / EXERCISES[3].name).mkdir()
    shutil.copy(
        EXERCISES[3].folder / "meta" / "solution.py",
        folder / EXERCISES[3].name / "exercise.py",
    )
    for name in ("conftest.py", "test_mine.py"):
        (folder / name).write_text("raise SystemExit('collected')")
    return folder


def test_a_folder_of_answers_is_graded_and_its_tests_are_not_collected(answers, tmp_path):
    scores, xml, summary = (tmp_path / n for n in ("scores.json", "junit.xml", "summary.md"))
    done = pytest_in(
        ROOT, "exercises", "--answers", answers, "--scores", scores, f"--junitxml={xml}",
        GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    assert done.returncode == 1
    statuses = [status for status, _, _ in board(done).values()]
    assert statuses == ["passed", "passed", "crashed", "passed"] + ["not started"] * len(
        EXERCISES[4:]
    )
    assert "collected" not in done.stdout.replace("never collected", "")
    earned = sum(points for _, points, _ in board(done).values())
    graded = json.loads(scores.read_text())
    check_gradescope(graded, earned)
    missing = next(one["output"] for one in graded["tests"] if one["name"].startswith("ex05"))
    assert f"There is no file {answers / 'ex05_getitem.py'}." in " ".join(missing.split())
    suite = ET.parse(xml).getroot().find("testsuite")
    checks = sum(len(exercise.checks) for exercise in EXERCISES)
    right = sum(len(EXERCISES[i].checks) for i in (0, 1, 3))
    assert (int(suite.get("tests")), int(suite.get("failures"))) == (checks, checks - right)
    table = summary.read_text()
    assert f"## {earned} of {TOTAL} points" in table
    assert table.count("\n| ex") == len(EXERCISES) + 1
    assert "| ex03_run_with_cache | crashed | 0 / " in table


def check_gradescope(results, earned):
    """The documented fields: gradescope-autograders.readthedocs.io, Output Format."""
    assert set(results) == {"execution_time", "output_format", "tests"}
    assert isinstance(results["execution_time"], int)
    for test in results["tests"]:
        assert set(test) == {
            *("name", "score", "max_score", "status", "output", "output_format", "visibility"),
        }
        assert test["status"] in ("passed", "failed")
        assert test["visibility"] == "visible"
        assert 0 <= test["score"] <= test["max_score"]
        assert test["output_format"] == "text"
    assert sum(test["max_score"] for test in results["tests"]) == TOTAL
    assert sum(test["score"] for test in results["tests"]) == earned


# Windows has none of these, so nor has this pytest, and nor have the children that it starts.
LIKE_WINDOWS = """
import os, sys
for name in ("fork", "setsid", "killpg"):
    delattr(os, name)
sys.modules["resource"] = None
if __name__ == "__main__":
    import pytest
    sys.exit(pytest.main(sys.argv[1:]))
"""


def test_where_there_is_no_fork_a_new_python_grades(answers, tmp_path):
    script = tmp_path / "like_windows.py"
    script.write_text(LIKE_WINDOWS)
    done = subprocess.run(
        [sys.executable, script, "exercises", "-p", "no:cacheprovider", "--answers", answers,
         "-k", "hook_point or run_with_cache or get_act_name"],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    first, third, fourth = board(done).values()
    assert first == ("passed", FIRST.most, FIRST.most)
    assert third[:2] == ("crashed", 0)
    assert fourth[:2] == ("passed", fourth[2])


def test_a_segfault_writes_nothing_to_the_terminal_but_its_line(tmp_path):
    (tmp_path / f"{FIRST.name}.py").write_text("import ctypes; ctypes.string_at(0)")
    done = pytest_in(ROOT, "exercises", "-k", FIRST.name, "--answers", tmp_path)
    assert "Python itself died (SIGSEGV)" in done.stdout
    assert "Fatal Python error" not in done.stdout + done.stderr


def test_a_folder_of_answers_that_is_not_there_is_told(tmp_path):
    done = pytest_in(ROOT, "exercises", "--answers", tmp_path / "nowhere")
    assert done.returncode == 4
    assert "python -m exercises start" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def exercises_command(*arguments, folder=ROOT, **environment):
    return subprocess.run(
        [sys.executable, "-m", "exercises", *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, env={**os.environ, **environment},
    )  # fmt: skip


def test_stubs_teach():
    for exercise in EXERCISES:
        task = exercise.stub.read_text()
        number = int(exercise.name[2:4])
        assert task.startswith(f'"""Exercise {number}: ')
        assert re.search(r"Lesson \d+\.", task.splitlines()[0])
        assert ">>> " in task
        assert len(hints(exercise)) == 3
