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

from exercises.grader.look import Observation, observe, raised

__all__ = ["Sighting", "load_checks", "load_module", "watch"]

MEMORY = 8 << 30  # bytes of memory of its own
OUTPUT = 16 << 20  # bytes of any file that the child writes, standard output as well


@dataclass
class Sighting:
    """What was seen of one answer.

    Attributes:
        seen: For each check, in order, its (label, axes, observation)s.
        crash: What stopped it from being imported.
        ended: How the process ended, if not by coming to its end: a sentence.
        during: What it was doing then: a label.
        timed_out: It was the clock that ended it.
        notes: What it changed and left changed: sentences.
    """

    seen: dict[str, list[tuple[str, str, Observation]]] = field(default_factory=dict)
    crash: Observation | None = None
    ended: str | None = None
    during: str = ""
    timed_out: bool = False
    notes: list[str] = field(default_factory=list)


def watch(checks_file: Path, answer_file: Path, limit: float) -> Sighting:
    """Run the checks on an answer, in a child, for at most `limit` seconds."""
    beside = set(os.listdir(answer_file.parent))
    with tempfile.TemporaryDirectory() as scratch:
        status = _run(checks_file, answer_file, Path(scratch), limit)
        sighting = _read(Path(scratch, "report"))
        output = Path(scratch, "output").read_bytes()
    if printed := output[-160:].decode(errors="replace").strip():
        sighting.notes.append(f"It printed, at the end: {printed!r}")
    if len(output) >= OUTPUT:
        sighting.notes.append(f"It printed more than {OUTPUT >> 20} MB, and was cut off.")
    if new := sorted({*os.listdir(answer_file.parent)} - beside - {"__pycache__"}):
        sighting.notes.append(f"It wrote files beside the exercise: {', '.join(new)}.")
    if status is None:
        sighting.timed_out = True
        sighting.ended = f"It was not done after {limit:g} seconds, and was stopped."
    elif sighting.ended is not None and status < 0:
        sighting.ended = f"Python itself died ({signal.Signals(-status).name})."
    elif sighting.ended is not None:
        sighting.ended = f"It ended the whole process, with exit status {status}."
    return sighting


def _run(checks_file: Path, answer_file: Path, scratch: Path, limit: float) -> int | None:
    """The child's exit status, negative for a signal; None if the clock ended it."""
    Path(scratch, "report").touch()
    Path(scratch, "output").touch()
    Path(scratch, "room").mkdir()
    load_checks(checks_file)  # here, so that a forked child has them
    method = "fork" if hasattr(os, "fork") else "spawn"
    child = get_context(method).Process(target=_child, args=(checks_file, answer_file, scratch))
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
    nothing = os.open(os.devnull, os.O_RDONLY)
    out = os.open(output, os.O_WRONLY | os.O_CREAT, 0o600)
    for old, new in ((0, nothing), (1, out), (2, out)):
        os.dup2(new, old)
    # pytest may have put objects of its own in the place of these.
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, buffering=1, closefd=False)  # noqa: SIM115  # open as long as the child
        for number, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    os.chdir(room)
    try:
        import resource
    except ImportError:
        return
    for what, limit in (("DATA", MEMORY), ("FSIZE", OUTPUT), ("CORE", 0)):
        resource.setrlimit(getattr(resource, f"RLIMIT_{what}"), (limit, limit))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write that is too long raises instead


def _look(checks: ModuleType, answer_file: Path, report: Path) -> None:
    """In the child: import the answer, run every check, and write down what is seen."""
    file = os.open(report, os.O_WRONLY | os.O_APPEND)

    def say(**what: Any) -> None:
        os.write(file, (json.dumps(what) + "\n").encode())

    logging.root.handlers.clear()  # pytest's own: the answer is to find logging untouched
    before, seeds = _globals(), _seeds()
    say(during="import")
    try:
        answer = load_module("answer", answer_file)
    except BaseException as error:  # SystemExit as well
        say(crash=raised(error, str(answer_file)), done=True)
        return
    if _seeds() != seeds:
        say(notes=["It sets a random seed when it is imported, for everybody else as well."])
    for name, check in vars(checks).items():
        if not name.startswith("test_"):
            continue
        torch.manual_seed(0)
        random.seed(0)

        def see(label: str, thunk: Callable[[], Any], axes: str = "", name: str = name) -> None:
            say(check=name, during=label)
            say(check=name, label=label, axes=axes, seen=observe(thunk, str(answer_file)))

        say(check=name, during=name.removeprefix("test_").replace("_", " "))
        try:
            check(answer, see)
        except BaseException as error:
            say(check=name, label="", axes="", seen=raised(error, str(answer_file)))
    after = _globals()
    changed = [what for what in before if before[what] != after[what]]
    if changed:
        say(notes=[f"It left {', '.join(changed)} changed. Give back what you found."])
    say(done=True)


def _globals() -> dict[str, Any]:
    return {
        "the grad mode": torch.is_grad_enabled(),
        "the default dtype": str(torch.get_default_dtype()),
        # Those for Python's own categories: packages that torch imports late bring some of theirs.
        "the warnings' filters": [f for f in warnings.filters if f[2].__module__ == "builtins"],
        "logging's set-up": (
            logging.root.level,
            list(logging.root.handlers),
            logging.root.disabled,
        ),
        "sys.path": list(sys.path),
        "sys.modules['torch']": id(sys.modules.get("torch")),
        "the working folder": os.getcwd(),
        "torch's functions": (id(torch.allclose), id(torch.equal)),
        "the number of running threads": threading.active_count(),
    }


def _seeds() -> tuple[int, int]:
    return hash(random.getstate()), hash(bytes(torch.get_rng_state().tolist()))


def _read(report: Path) -> Sighting:
    sighting = Sighting(ended="")
    for line in report.read_text().splitlines():
        try:
            said = json.loads(line)
        except ValueError:  # cut off in the middle
            continue
        sighting.during = said.get("during", sighting.during)
        if "check" in said:
            of_check = sighting.seen.setdefault(said["check"], [])
            if "seen" in said:
                of_check.append((said["label"], said["axes"], said["seen"]))
        sighting.crash = said.get("crash", sighting.crash)
        sighting.notes += said.get("notes", [])
        if said.get("done"):
            sighting.ended = None
    return sighting


def load_module(name: str, file: Path) -> ModuleType:
    """A module from a file, without leaving compiled files beside it."""
    module = ModuleType(name)
    module.__file__ = str(file)
    if name == "answer":
        sys.modules[name] = module  # dataclasses and pickle look it up
    code = compile(file.read_text("utf-8"), str(file), "exec", optimize=0)  # the same under -O
    exec(code, module.__dict__)
    return module


@lru_cache
def load_checks(file: Path) -> ModuleType:
    """An exercise's checks: loaded once, and there already when a child begins."""
    return load_module("checks", file)
