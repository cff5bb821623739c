"""Where an answer runs: in a child process of its own, with limits, so that it harms nothing else.

The child writes each observation to a file at once, a line each. Whatever ends it, what it had
shown so far counts. The parent has the clock. Where there is `fork` a child costs some
milliseconds, because torch is there already; elsewhere (Windows) a new Python starts.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from exercises.earlier import lend
from exercises.grader.look import MissingError, Observation, describe, observe, raised
from exercises.grader.state import changes, picture, restore, set_up, settings
from exercises.grader.wrappers import calls_of_own, find_places

__all__ = ["Sighting", "load_checks", "load_module", "watch"]

MEMORY = 8 << 30  # bytes of memory of its own
OUTPUT = 16 << 20  # bytes of any file that the child writes, standard output as well


@dataclass
class Sighting:
    """What was seen of one answer.

    Attributes:
        seen: Observations by check, and within it by label.
        ended: What stopped it before its end: a sentence, or "" if nothing did.
        during: What it was doing then: a label.
        timed_out: It was the clock that stopped it.
        broken: What went wrong in the grader itself; "" if nothing did.
        printed: What was printed during the import (under "") and during each check.
        notes: What else it did: sentences.
        own: What of minicache's own it calls, that the task asks for; "" if nothing.
    """

    seen: dict[str, dict[str, Observation]] = field(default_factory=dict)
    ended: str = "It ended."
    during: str = ""
    timed_out: bool = False
    broken: str = ""
    printed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    own: str = ""


def watch(
    checks_file: Path, answer_file: Path, limit: float, earlier: dict[str, str] | None = None
) -> Sighting:
    """Run the checks on an answer, in a child, for at most `limit` seconds.

    `earlier` gives the file of each earlier answer that this one may use, by the name to import.
    """
    checks_file, answer_file = checks_file.absolute(), answer_file.absolute()  # the child moves
    beside = set(os.listdir(answer_file.parent))
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        status = _run(checks_file, answer_file, scratch, limit, earlier or {})
        output = (scratch / "output").read_bytes()
        sighting = _read((scratch / "report").read_text(), output)
    if len(output) >= OUTPUT:
        sighting.notes.append(
            f"It printed more than {OUTPUT >> 20} MB. From there on a print fails."
        )
    if new := sorted({*os.listdir(answer_file.parent)} - beside - {"__pycache__"}):
        sighting.notes.append(f"It wrote files beside the exercise: {', '.join(new)}.")
    if status is None:
        sighting.timed_out = True
        sighting.ended = f"It was not done after {limit:g} seconds, and was stopped."
    elif sighting.ended == Sighting.ended and status < 0:
        sighting.ended = f"Python itself died ({signal.Signals(-status).name})."
    elif sighting.ended == Sighting.ended:
        sighting.ended = f"It ended the whole process, with exit status {status}."
    return sighting


def _run(
    checks_file: Path, answer_file: Path, scratch: Path, limit: float, earlier: dict[str, str]
) -> int | None:
    """The child's exit status, negative for a signal; None if the clock ended it."""
    for file in ("report", "output"):
        (scratch / file).touch()
    (scratch / "room").mkdir()
    context = get_context("fork" if hasattr(os, "fork") else "spawn")
    if context.get_start_method() == "fork":  # the child then has it all at its start
        _make_ready(checks_file)
    child = context.Process(target=_child, args=(checks_file, answer_file, scratch, earlier))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside pytest's threads
        child.start()
    try:
        child.join(limit)
        return child.exitcode
    finally:  # after Ctrl+C as well: an endless loop would run on, and Python would wait for it
        child.kill()
        child.join()
        with suppress(AttributeError, ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # whatever it started goes with it


@lru_cache
def _make_ready(checks_file: Path) -> None:
    """Make, once, what every child of an exercise needs. Each child has a copy of its own of it.

    That is its checks, and the models and caches that these keep, if they say so by `make_ready`.
    """
    checks = vars(load_checks(checks_file))
    if "make_ready" in checks:
        checks["make_ready"]()
    find_places(checks_file.parent.name)


def _child(checks_file: Path, answer_file: Path, scratch: Path, earlier: dict[str, str]) -> None:
    """What the child does: all of it, and then nothing more, whoever waits."""
    report = os.open(scratch / "report", os.O_WRONLY | os.O_APPEND)

    def say(**what: Any) -> None:
        os.write(report, (json.dumps(what) + "\n").encode())

    try:
        torch.set_num_threads(1)
        _confine(scratch / "output", scratch / "room")
        with calls_of_own(checks_file.parent.name, str(answer_file)) as used:
            _look(load_checks(checks_file), answer_file, earlier, say)
        say(own=", ".join(sorted(used)))
        _flush()
    except BaseException:  # not the answer's: what that raises is seen, and does not come here
        say(broken=traceback.format_exc())
    finally:
        os._exit(0)


def _confine(output: Path, room: Path) -> None:
    """In the child: a process group of its own, limits, no keyboard, and a folder to litter."""
    if hasattr(os, "setsid"):
        os.setsid()
    faulthandler.disable()  # pytest's would write its long report on a crash to the terminal
    logging.root.handlers.clear()  # pytest's own: the answer is to find logging untouched
    append = os.O_WRONLY | os.O_APPEND
    for number, (file, flags) in enumerate(
        ((os.devnull, os.O_RDONLY), (output, append), (output, append))
    ):
        os.dup2(os.open(file, flags), number)
    # pytest may have put objects of its own in the place of these. They stay open: no `with`.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = (open(n, "w", 1, closefd=False) for n in (1, 2))  # noqa: SIM115
    os.chdir(room)
    with suppress(ImportError):  # on Windows there is no such module
        import resource

        for name, limit in (("DATA", MEMORY), ("FSIZE", OUTPUT), ("CORE", 0)):
            what = getattr(resource, f"RLIMIT_{name}")
            _, most = resource.getrlimit(what)
            limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
            resource.setrlimit(what, (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write that is too long raises instead


def _look(
    checks: ModuleType, answer_file: Path, earlier: dict[str, str], say: Callable[..., None]
) -> None:
    """In the child: import the answer, run every check, and write down what is seen."""
    path = str(answer_file)
    before, seeds, shared = _globals(), _seeds(), settings()
    lend(earlier)
    try:
        answer = load_module("answer", answer_file)
    except BaseException as error:  # SystemExit as well
        say(ended=f"It cannot be imported: {describe(raised(error, path))}")
        return
    if changed := restore(shared):
        say(note=f"When it is imported, {', '.join(changed)}. Give back what you found.")
    if _seeds() != seeds:
        say(note="It sets a random seed when it is imported, for everybody else as well.")
    for name, check in list(vars(checks).items()):
        if not name.startswith("test_"):
            continue
        _flush()
        say(begins=name, at=os.fstat(1).st_size)
        torch.default_generator.manual_seed(0)  # the CPU's: there is no other here
        random.seed(0)
        say(during=name.removeprefix("test_").replace("_", " "))
        try:
            check(answer, _eye(name, path, say))
        except BaseException as error:
            if not isinstance(error, MissingError) and path not in _files(error):
                raise  # a mistake in the check
            say(check=name, label="", seen=raised(error, path))
    after = _globals()
    if changed := [what for what in before if before[what] != after[what]]:
        say(note=f"It left {', '.join(changed)} changed. Give back what you found.")
    say(ended="")


def _eye(check: str, path: str, say: Callable[..., None]) -> Callable[..., None]:
    """The `see` of a check: run a thunk, and say what came and what it changed."""

    def see(label: str, thunk: Callable[[], Any], axes: str = "", /, **given: Any) -> None:
        say(during=label)
        shared, before = settings(), picture(given)
        seen = observe(thunk, axes, path)
        changed = restore(shared) + changes(before, picture(given))
        extra = {"changed": changed} if changed else {}
        extra |= {"set_up": words} if (words := set_up(given)) else {}
        say(check=check, label=label, seen={**seen, **extra})

    return see


def _flush() -> None:
    """Write out what was printed, as far as there is room for it."""
    with suppress(OSError):  # more than OUTPUT: it is cut off there, and the learner is told
        sys.stdout.flush()


def _files(error: BaseException) -> set[str]:
    return {frame.filename for frame in traceback.extract_tb(error.__traceback__)}


def _globals() -> dict[str, Any]:
    # Filters for Python's own categories: packages that torch imports late bring some of theirs.
    filters = [one for one in warnings.filters if one[2].__module__ == "builtins"]
    return {
        "the grad mode": torch.is_grad_enabled(),
        "the default dtype": str(torch.get_default_dtype()),
        "the warnings' filters": filters,
        "logging's set-up": (logging.root.level, list(logging.root.handlers)),
        "sys.path": list(sys.path),
        "sys.modules['torch']": id(sys.modules.get("torch")),
        "the working folder": os.getcwd(),
        "torch's functions": (id(torch.allclose), id(torch.equal)),
        "the number of running threads": threading.active_count(),
    }


def _seeds() -> tuple[Any, ...]:
    return random.getstate(), torch.get_rng_state().numpy().tobytes()


def _read(report: str, output: bytes) -> Sighting:
    sighting = Sighting()
    begins = {"": 0}
    for line in report.splitlines():
        try:
            said = json.loads(line)
        except ValueError:  # cut off in the middle
            continue
        sighting.during = said.get("during", sighting.during)
        sighting.ended = said.get("ended", sighting.ended)
        sighting.broken = said.get("broken", sighting.broken)
        sighting.own = said.get("own", sighting.own)
        sighting.notes += [said["note"]] if "note" in said else []
        if "begins" in said:
            begins[said["begins"]] = said["at"]
        if "check" in said:
            sighting.seen.setdefault(said["check"], {})[said["label"]] = said["seen"]
    ends = [*list(begins.values())[1:], len(output)]
    for (check, begin), end in zip(begins.items(), ends, strict=True):
        if text := output[begin:end].decode(errors="replace").strip():
            sighting.printed[check] = text
    return sighting


class _Answer(ModuleType):
    def __getattr__(self, name: str) -> Any:
        raise MissingError(f"There is no `{name}` in the file.")


def load_module(name: str, file: Path, optimize: int = 0) -> ModuleType:
    """A module from a file, without leaving compiled files beside it; `optimize=1` is `-O`."""
    module = _Answer(name) if name == "answer" else ModuleType(name)
    module.__file__ = str(file)
    if name == "answer":
        sys.modules[name] = module  # dataclasses and pickle look it up
    code = compile(file.read_bytes(), str(file), "exec", optimize=optimize)
    exec(code, module.__dict__)
    return module


@lru_cache
def load_checks(file: Path) -> ModuleType:
    """An exercise's checks: loaded once, and there already when a child begins."""
    return load_module("checks", file)
