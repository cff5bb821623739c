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
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from exercises.grader.look import Observation, observe, raised

__all__ = ["Sighting", "load_module", "watch"]

MEMORY = 4 << 30  # bytes of address space beyond what the parent has
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
        printed: The last that it printed.
    """

    seen: dict[str, list[tuple[str, str, Observation]]] = field(default_factory=dict)
    crash: Observation | None = None
    ended: str | None = None
    during: str = ""
    timed_out: bool = False
    notes: list[str] = field(default_factory=list)
    printed: str = ""


def watch(checks_file: Path, answer_file: Path, limit: float) -> Sighting:
    """Run the checks on an answer, in a child, for at most `limit` seconds."""
    beside = _listing(answer_file.parent)
    with tempfile.TemporaryDirectory() as scratch:
        report, output = Path(scratch) / "report", Path(scratch) / "output"
        room = Path(scratch) / "room"
        room.mkdir()
        report.touch()
        status = _run(checks_file, answer_file, report, output, room, limit)
        sighting = _read(report)
        if output.exists():
            with output.open("rb") as file:
                file.seek(max(0, output.stat().st_size - 500))
                sighting.printed = file.read().decode(errors="replace").strip()
            if output.stat().st_size >= OUTPUT:
                sighting.notes.append(f"It printed more than {OUTPUT >> 20} MB, and was cut off.")
    if new := sorted(_listing(answer_file.parent) - beside):
        sighting.notes.append(f"It wrote files beside the exercise: {', '.join(new)}.")
    if status is None:
        sighting.timed_out = True
        sighting.ended = f"It was not done after {limit:g} seconds, and was stopped."
    elif sighting.ended is not None:
        if status < 0:
            name = signal.Signals(-status).name
            sighting.ended = f"Python itself died ({name})."
        else:
            sighting.ended = f"It ended the whole process, with exit status {status}."
    return sighting


def _listing(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir() if file.name != "__pycache__"}


def _run(
    checks_file: Path, answer_file: Path, report: Path, output: Path, room: Path, limit: float
) -> int | None:
    """The child's exit status, negative for a signal; None if the clock ended it."""
    if not hasattr(os, "fork"):
        with output.open("wb") as file:
            try:
                command = [sys.executable, "-m", "exercises.grader.child"]
                paths = map(str, (checks_file, answer_file, report))
                root = Path(__file__).parents[2]
                env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
                return subprocess.run(
                    [*command, *paths], stdin=subprocess.DEVNULL, stdout=file,
                    stderr=file, cwd=room, env=env, timeout=limit + 10, check=False,
                ).returncode  # fmt: skip
            except subprocess.TimeoutExpired:
                return None
    checks = load_module("checks", checks_file)
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # we fork with one thread
        pid = os.fork()
    if pid == 0:
        status = 70
        try:
            _confine(output, room)
            _look(checks, answer_file, report)
            status = 0
            sys.stdout.flush()
        finally:
            os._exit(status)
    deadline = time.monotonic() + limit
    try:
        while time.monotonic() < deadline:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.003)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return None
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # whatever it started goes with it


def _confine(output: Path, room: Path) -> None:
    """In the child: a process group of its own, limits, no keyboard, and a folder to litter."""
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
    with (
        open("/proc/self/statm") if Path("/proc/self/statm").exists() else open(os.devnull) as file
    ):
        pages = file.read().split()
    now = int(pages[0]) * os.sysconf("SC_PAGE_SIZE") if pages else 64 << 30
    for what, limit in (
        (resource.RLIMIT_AS, now + MEMORY),
        (resource.RLIMIT_FSIZE, OUTPUT),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
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


_loaded: dict[Path, ModuleType] = {}


def load_module(name: str, file: Path) -> ModuleType:
    """A module from a file, without leaving compiled files beside it. Checks are kept loaded."""
    if name == "checks" and file in _loaded:
        return _loaded[file]
    source = file.read_text(encoding="utf-8")
    module = ModuleType(name)
    module.__file__ = str(file)
    if name == "answer":
        sys.modules[name] = module  # dataclasses and pickle look it up
    exec(compile(source, str(file), "exec", optimize=0), module.__dict__)  # the same under -O
    if name == "checks":
        _loaded[file] = module
    return module


if __name__ == "__main__":
    torch.set_num_threads(1)
    _look(load_module("checks", Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]))
