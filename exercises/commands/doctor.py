"""Check a set-up: Python, torch, the package, the exercises, a place to write, and the time.

This runs where something is missing, and under any Python 3: so it imports nothing of ours, nor
torch, before it has looked.
"""

import os
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

__all__ = ["doctor"]

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("torch", "einops", "jaxtyping", "safetensors", "rich", "pytest")
INSTALL = "pip install -c constraints.txt -e . pytest pytest-watcher"


def doctor():
    """Print a line for each check. How many of them failed."""
    failed = 0
    for check in (_python, _packages, _minicache, _stubs, _writable, _speed):
        try:
            line = check()
        except Exception as error:
            failed += 1
            print("[xx] {}: {}".format(check.__name__.strip("_"), error))
            if check in (_python, _packages):
                break  # what follows needs these
        else:
            print("[ok] " + line)
    print("All is well." if not failed else "Please mend that first.")
    return failed


def _python():
    here = "Python {}.{}.{} at {}".format(*sys.version_info[:3], sys.executable)
    if sys.version_info < (3, 11):  # noqa: UP036  # this is where it is found out
        raise RuntimeError(
            here + ". The exercises need 3.11 or later: install one from python.org or your "
            "system's packages, and make .venv with it (python3.11 -m venv .venv)."
        )
    if sys.prefix == sys.base_prefix:
        here += ". No environment is active; that is fine if you meant it"
    return here


def _packages():
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise RuntimeError(f"not installed: {', '.join(missing)}. {INSTALL}")
    return "torch " + version("torch") + ", pytest " + version("pytest")


def _minicache():
    spec = find_spec("minicache")
    place = Path(spec.origin).resolve().parent if spec and spec.origin else None
    if place != ROOT / "minicache":
        raise RuntimeError(
            f"Python finds minicache at {place}, not in this folder. On PyPI the name is another "
            f"project's: pip uninstall minicache, and then {INSTALL}"
        )
    try:
        installed = version("minicache")
    except PackageNotFoundError:
        installed = "not installed, but found from this folder"
    return f"minicache {installed}, at {place}"


def _stubs():
    from exercises.grader.bank import exercises_in, is_stub

    exercises = exercises_in()
    missing = [one.name for one in exercises if not one.stub.is_file()]
    if missing or not exercises:
        raise RuntimeError(f"stubs are missing: {', '.join(missing) or 'all'}. Unpack it again.")
    edited = sum(not is_stub(one, one.stub) for one in exercises)
    points = sum(one.most for one in exercises)
    return f"{len(exercises)} exercises, {points} points; {edited} edited in place"


def _writable():
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        if not os.access(folder, os.W_OK):
            raise RuntimeError(f"{folder} cannot be written to. Work in a folder of your own.")
    return f"{Path.cwd()} can be written to"


def _speed():
    import torch

    from exercises.grader.bank import exercises_in, grade

    torch.set_num_threads(1)
    first = exercises_in()[0]
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.py"
        answer.write_text("x = 1\n")
        start = time.monotonic()
        result = grade(first, answer)
    if result.status == "timed out":
        raise RuntimeError("an answer of one line was not graded in time: is the machine busy?")
    return f"an answer is graded in {time.monotonic() - start:.1f} s"
