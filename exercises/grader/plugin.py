"""How pytest drives the grader: collected as ever, run in a child, reported as a scoreboard."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from exercises.grader import exports, report
from exercises.grader.bank import HOME, LIMIT, Exercise, Result, exercises_in, grade, load, select
from exercises.grader.handins import Handin, find_answers

RESULTS = pytest.StashKey[dict[Path, Result]]()
STARTED = pytest.StashKey[float]()
HANDIN = pytest.StashKey[Handin | None]()
SHOWS = pytest.StashKey[bool]()  # the scoreboard stands for pytest's own summary


class GraderError(Exception):
    """The grader itself failed. That is no verdict on an answer."""


OPTIONS: dict[str, dict[str, Any]] = {
    "hint": {"action": "store_true", "help": "the next hint of the first unfinished"},
    "solutions": {"action": "store_true", "help": "grade the reference solutions"},
    "answers": {"type": Path, "help": "grade the files in this folder"},
    "scores": {"type": Path, "help": "write Gradescope's results.json there"},
    "no-wrappers": {"action": "store_true", "help": "no points for calling minicache's own"},
    "only": {"default": "", "metavar": "1,2,11", "help": "only these exercises, by number"},
    "limit": {"type": float, "default": LIMIT, "help": "seconds for one answer"},
}


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    # Until here pytest took the folder after --answers for tests. A conftest.py in it is not to
    # run, and does not where a plugin of its name is there already.
    config = pluginmanager.get_plugin("pytestconfig")
    for given in _answers_given(config.invocation_params.args if config else ()):
        folder = config.invocation_params.dir / given
        if (folder / "conftest.py").is_file() and HOME not in (folder, *folder.parents):
            for name in {folder, folder.resolve()}:
                pluginmanager.register(ModuleType("not_run"), str(name / "conftest.py"))
    group = parser.getgroup("exercises")
    for name, how in OPTIONS.items():
        group.addoption(f"--{name}", **how)


def _answers_given(args: Sequence[str]) -> list[str]:
    """The folders after `--answers`, read before pytest has read its options."""
    after = [two for one, two in pairwise(args) if one == "--answers"]
    return after + [arg.partition("=")[2] for arg in args if arg.startswith("--answers=")]


def pytest_configure(config: pytest.Config) -> None:
    torch.set_num_threads(1)  # before torch computes anything: a fork must find one thread
    config.stash[RESULTS], config.stash[SHOWS] = {}, False
    config.stash[STARTED] = time.monotonic()
    for name, how in OPTIONS.items():  # missing where pytest met us after it had read its options
        vars(config.option).setdefault(name.replace("-", "_"), how.get("default"))
    answers = config.option.answers
    if answers is not None and not answers.is_dir():
        make = f"Make one: python -m exercises start {shlex.quote(str(answers))}"
        told = "that is no folder. Give its folder, and -k for one exercise."
        told = told if answers.exists() else f"there is no such folder. {make}"
        raise pytest.UsageError(f"--answers {answers}: {told}")
    _check_options(config.option)
    config.stash[HANDIN] = find_answers(answers, exercises_in()) if answers else None
    asked = [Path(arg.partition("::")[0]).resolve() for arg in config.args]
    if all(HOME in (path, *path.parents) for path in asked):
        config.option.verbose = config.option.verbose or -2
        _take_the_terminal(config)


def _check_options(option: Any) -> None:
    """What cannot work is said before anything is graded."""
    if (scores := option.scores) is not None:
        if scores.is_dir() or not scores.parent.is_dir():
            raise pytest.UsageError(f"--scores {scores}: give a file in a folder that is there.")
        if not os.access(scores if scores.exists() else scores.parent, os.W_OK):
            raise pytest.UsageError(f"--scores {scores}: it cannot be written to. Give another.")
    if option.solutions and not any(HOME.glob("ex*/meta/solution.py")):
        raise pytest.UsageError("--solutions: this copy has none. The repository has them.")
    try:
        select(exercises_in(), option.only)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def _is_exercise(item: pytest.Item) -> bool:
    return item.path.name == "test_exercise.py" and (item.path.parent / "record.json").exists()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = {one.folder for one in select(exercises_in(), config.option.only)}
    left_out = [one for one in items if _is_exercise(one) and one.path.parent not in wanted]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [one for one in items if one not in left_out]
    if all(map(_is_exercise, items)):
        _take_the_terminal(config)


def _take_the_terminal(config: pytest.Config) -> None:
    """Leave out pytest's own failures, warnings and summary: the scoreboard says it better."""
    # Not by --no-summary: before pytest 9.2 that leaves the scoreboard out too.
    config.stash[SHOWS] = True
    vars(config.option).update(tbstyle="no", reportchars="")
    if reporter := config.pluginmanager.get_plugin("terminalreporter"):
        reporter.reportchars = ""  # read from the options before


@pytest.fixture
def answer() -> None:
    """The learner's module. The child has it; here it only tells pytest that there is one."""


@pytest.fixture
def see() -> None:
    """What a check shows with. The child has it, as `answer`."""


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not _is_exercise(pyfuncitem):
        return None
    result = _graded(pyfuncitem.config, pyfuncitem.path.parent)
    if result.status == "not graded":
        raise GraderError(result.problem)
    check = pyfuncitem.originalname
    if result.earned[check] < result.exercise.checks[check]:
        pytest.fail(report.feedback(result, pyfuncitem.config.option.answers), pytrace=False)
    return True


def _graded(config: pytest.Config, folder: Path) -> Result:
    """The result of an exercise: graded once, however many of its checks are run."""
    results, option = config.stash[RESULTS], config.option
    if folder not in results:
        exercise = load(folder)
        answer, notes = _answer(config, exercise)
        find, wrappers = (lambda one: _answer(config, one)[0]), not option.no_wrappers
        result = grade(exercise, answer, option.limit, find, wrappers)
        results[folder] = replace(result, notes=(*notes, *result.notes))
    return results[folder]


def _answer(config: pytest.Config, exercise: Exercise) -> tuple[Path, list[str]]:
    """The file to grade, and what is to be said of its name or place."""
    if config.option.solutions:
        return exercise.folder / "meta" / "solution.py", []
    handin = config.stash[HANDIN]
    return (exercise.stub, []) if handin is None else handin.answer(exercise)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist sends what it graded; the process that started it shows it."""
    if any(one.status == "not graded" for one in session.config.stash[RESULTS].values()):
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
    if (sent := getattr(session.config, "workeroutput", None)) is not None:
        results = session.config.stash[RESULTS].items()
        sent["exercises"] = [(str(folder), result.as_data()) for folder, result in results]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for folder, data in getattr(node, "workeroutput", {}).get("exercises", ()):
        exercise = load(Path(folder))
        node.config.stash[RESULTS][exercise.folder] = Result.of_data(exercise, data)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    if report.when == "call" and "test_exercise.py" in report.nodeid and not report.skipped:
        return report.outcome, "", report.outcome.upper()  # the scoreboard says it better
    return None


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    results = sorted(config.stash[RESULTS].values(), key=lambda result: result.exercise.name)
    if not results:
        if config.stash[SHOWS]:
            names = "  ".join(exercise.key for exercise in exercises_in())
            terminalreporter.ensure_newline()
            terminalreporter.write_line("No exercise was graded: none fits. These are there:")
            terminalreporter.write_line(report.wrapped(names))
        return
    parts = ["", report.scoreboard(results), ""]
    if unfinished := next((r for r in results if r.status != "passed"), None):
        parts += [
            " the first unfinished ".center(78, "-"),
            report.feedback(unfinished, config.option.answers),
            "",
        ]
        if config.option.hint:
            parts += [report.next_hint(unfinished), ""]
    handin = config.stash[HANDIN]
    graded = select(exercises_in(), config.option.only)
    if about := handin.about(graded) if handin else "":
        parts += [report.wrapped(about), ""]
    terminalreporter.ensure_newline()
    terminalreporter.write_line("\n".join(parts))
    if any(one.status == "not graded" for one in results):
        terminalreporter.write_line("No scores are written: the grader failed.")
        return
    if scores := config.option.scores:
        try:
            seconds = time.monotonic() - config.stash[STARTED]
            exports.write_scores(results, scores, seconds, about)
        except OSError as error:
            pytest.exit(f"--scores {scores} could not be written: {error.strerror}.", returncode=3)
    for variable, text in (
        ("GITHUB_STEP_SUMMARY", exports.summary(results, about)),
        ("GITHUB_OUTPUT", exports.classroom_result(results)),
    ):
        if place := os.environ.get(variable):
            with Path(place).open("a", encoding="utf-8") as file:
                file.write(text)


__all__ = ["answer", "see", *(name for name in dir() if name.startswith("pytest_"))]
