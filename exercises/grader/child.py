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

from exercises.grader.look import Observation, describe, observe, raised

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
        notes: What else it did: sentences.
    """

    seen: dict[str, dict[str, Observation]] = field(default_factory=dict)
    ended: str = "It ended."
    during: str = ""
    timed_out: bool = False
    notes: list[str] = field(default_factory=list)


def watch(checks_file: Path, answer_file: Path, limit: float) -> Sighting:
    """Run the checks on an answer, in a child, for at most `limit` seconds."""
    checks_file, answer_file = checks_file.absolute(), answer_file.absolute()  # the child moves
    beside = set(os.listdir(answer_file.parent))
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        status = _run(checks_file, answer_file, scratch, limit)
        sighting = _read((scratch / "report").read_text())
        output = (scratch / "output").read_bytes()
    if printed := output[-160:].decode(errors="replace").strip():
        sighting.notes.append(f"It printed, at the end: {printed!r}")
    if len(output) >= OUTPUT:
        sighting.notes.append(f"It printed more than {OUTPUT >> 20} MB, and was cut off.")
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


def _run(checks_file: Path, answer_file: Path, scratch: Path, limit: float) -> int | None:
    """The child's exit status, negative for a signal; None if the clock ended it."""
    for file in ("report", "output"):
        (scratch / file).touch()
    (scratch / "room").mkdir()
    load_checks(checks_file)  # here, so that a forked child has them
    context = get_context("fork" if hasattr(os, "fork") else "spawn")
    child = context.Process(target=_child, args=(checks_file, answer_file, scratch))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside pytest's threads
        child.start()
    child.join(limit)
    status = child.exitcode
    child.kill()
    child.join()
    with suppress(AttributeError, ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)  # whatever it started goes with it
    return status


def _child(checks_file: Path, answer_file: Path, scratch: Path) -> None:
    """What the child does: all of it, and then nothing more, whoever waits."""
    torch.set_num_threads(1)
    try:
        _confine(scratch / "output", scratch / "room")
        _look(load_checks(checks_file), answer_file, scratch / "report")
        sys.stdout.flush()
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

        for what, limit in (("DATA", MEMORY), ("FSIZE", OUTPUT), ("CORE", 0)):
            resource.setrlimit(getattr(resource, f"RLIMIT_{what}"), (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write that is too long raises instead


def _look(checks: ModuleType, answer_file: Path, report: Path) -> None:
    """In the child: import the answer, run every check, and write down what is seen."""
    file = os.open(report, os.O_WRONLY | os.O_APPEND)

    def say(**what: Any) -> None:
        os.write(file, (json.dumps(what) + "\n").encode())

    before, seeds = _globals(), _seeds()
    try:
        answer = load_module("answer", answer_file)
    except BaseException as error:  # SystemExit as well
        problem = describe(raised(error, str(answer_file)))
        say(ended=f"It cannot be imported: {problem}")
        return
    if _seeds() != seeds:
        say(note="It sets a random seed when it is imported, for everybody else as well.")
    for name, check in vars(checks).items():
        if not name.startswith("test_"):
            continue
        torch.manual_seed(0)
        random.seed(0)

        def see(label: str, thunk: Callable[[], Any], axes: str = "", name: str = name) -> None:
            say(during=label)
            say(check=name, label=label, seen=observe(thunk, axes, str(answer_file)))

        say(during=name.removeprefix("test_").replace("_", " "))
        try:
            check(answer, see)
        except BaseException as error:
            say(check=name, label="", seen=raised(error, str(answer_file)))
    after = _globals()
    if changed := [what for what in before if before[what] != after[what]]:
        say(note=f"It left {', '.join(changed)} changed. Give back what you found.")
    say(ended="")


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
    return random.getstate(), torch.get_rng_state().tolist()


def _read(report: str) -> Sighting:
    sighting = Sighting()
    for line in report.splitlines():
        try:
            said = json.loads(line)
        except ValueError:  # cut off in the middle
            continue
        sighting.during = said.get("during", sighting.during)
        sighting.ended = said.get("ended", sighting.ended)
        sighting.notes += [said["note"]] if "note" in said else []
        if "check" in said:
            sighting.seen.setdefault(said["check"], {})[said["label"]] = said["seen"]
    return sighting


def load_module(name: str, file: Path) -> ModuleType:
    """A module from a file, without leaving compiled files beside it."""
    module = ModuleType(name)
    module.__file__ = str(file)
    if name == "answer":
        sys.modules[name] = module  # dataclasses and pickle look it up
    code = compile(file.read_bytes(), str(file), "exec", optimize=0)  # the same under -O
    exec(code, module.__dict__)
    return module


@lru_cache
def load_checks(file: Path) -> ModuleType:
    """An exercise's checks: loaded once, and there already when a child begins."""
    return load_module("checks", file)
