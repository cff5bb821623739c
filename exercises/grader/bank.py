"""What a sighting means: points, and which known misconception it looks like.

Each exercise has a `record.json`: what the reference shows, and for each wrong variant of the bank
its feedback and where it shows something else. So a misconception is known by its behaviour, and a
copy for students needs no solution and no variant to name it. `python -m exercises record` writes
it anew; a test holds it to the files in `meta/`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exercises.grader.child import Sighting, load_checks, load_module, watch
from exercises.grader.look import Observation, describe, differs

__all__ = ["Exercise", "Result", "exercises_in", "fingerprint", "grade", "make_record"]

HOME = Path(__file__).parents[1]
LIMIT = 10.0  # seconds for one answer


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise: its folder, and what its checks module says of it."""

    folder: Path
    title: str
    lesson: str
    checks: dict[str, int]  # points by check, the gate first

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def stub(self) -> Path:
        return self.folder / "exercise.py"

    @property
    def most(self) -> int:
        return sum(self.checks.values())

    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.folder / "record.json").read_text("utf-8"))
        return record

    def answer(self, answers: Path | None, solutions: bool) -> Path:
        """The file to grade: `exNN_name.py` or `exNN_name/exercise.py` in a folder of answers."""
        if solutions:
            return self.folder / "meta" / "solution.py"
        if answers is None:
            return self.stub
        flat = answers / f"{self.name}.py"
        return flat if flat.is_file() else answers / self.name / "exercise.py"


@dataclass(frozen=True)
class Result:
    """The verdict on one answer.

    Attributes:
        status: `"not started"`, `"crashed"`, `"wrong"`, `"timed out"` or `"passed"`.
        earned: Points by check. None of them counts while the first check, the gate, fails.
        call: What was called where it first went wrong, and `problem`, what was wrong there.
        feedback: Of the misconception that this looks like, if it looks like one.
        notes: What else it did, as sentences.
    """

    exercise: Exercise
    status: str
    earned: dict[str, int]
    call: str = ""
    problem: str = ""
    feedback: str = ""
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> int:
        return sum(self.earned.values())


def exercises_in(home: Path = HOME) -> list[Exercise]:
    """All exercises, in order."""
    return [load(folder) for folder in sorted(home.glob("ex[0-9][0-9]_*")) if folder.is_dir()]


def load(folder: Path) -> Exercise:
    module = load_checks(folder / "test_exercise.py")
    checks = {
        name: getattr(check, "points", 1)
        for name, check in vars(module).items()
        if name.startswith("test_")
    }
    return Exercise(folder, module.TITLE, module.LESSON, checks)


def fingerprint(code: str) -> str:
    """A hash of code that blank lines, comment lines and spaces at line ends do not change."""
    lines = [line.rstrip() for line in code.splitlines()]
    kept = [line for line in lines if line and not line.lstrip().startswith("#")]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]


def grade(exercise: Exercise, answer: Path, limit: float = LIMIT) -> Result:
    """Run the answer and judge it."""
    nothing = dict.fromkeys(exercise.checks, 0)
    record = exercise.record()
    try:
        code = answer.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Result(exercise, "not started", nothing, problem=f"There is no file {answer}.")
    except (OSError, UnicodeDecodeError) as error:
        return Result(exercise, "crashed", nothing, problem=f"{answer} cannot be read: {error}")
    if fingerprint(code) == record["stub"]:
        return Result(exercise, "not started", nothing)
    sighting = watch(exercise.folder / "test_exercise.py", answer, limit)
    return _judge(exercise, record, sighting)


def _judge(exercise: Exercise, record: dict[str, Any], sighting: Sighting) -> Result:
    earned = {
        check: worth if _first_fault(record, sighting, check) is None else 0
        for check, worth in exercise.checks.items()
    }
    gate = next(iter(earned))
    if not earned[gate]:
        earned = dict.fromkeys(earned, 0)
    notes = tuple(sighting.notes)
    if sighting.crash:
        problem = f"It cannot be imported: {describe(sighting.crash)}"
        return Result(exercise, "crashed", earned, "", problem, notes=notes)
    if sighting.ended is not None:
        status = "timed out" if sighting.timed_out else "crashed"
        call = "" if sighting.during == "import" else sighting.during
        return Result(exercise, status, earned, call, sighting.ended, notes=notes)
    if all(earned.values()):
        return Result(exercise, "passed", earned, notes=notes)
    faults = (_first_fault(record, sighting, check) for check in exercise.checks)
    call, problem, seen = next(fault for fault in faults if fault)
    unfinished = seen is not None and seen.get("builtin") == "NotImplementedError"
    status = "crashed" if seen is not None and seen["kind"] == "raised" else "wrong"
    if unfinished:
        problem = "This part is not written yet: it raises NotImplementedError."
    feedback = "" if unfinished else _diagnosis(record, _flat(sighting))
    return Result(exercise, status, earned, call, problem, feedback, notes)


def _first_fault(
    record: dict[str, Any], sighting: Sighting, check: str
) -> tuple[str, str, Observation | None] | None:
    """Where a check first shows something else than the reference: call, difference, what came."""
    wanted = record["shown"][check]
    seen = sighting.seen.get(check, [])
    for (label, axes, came), (wanted_label, expected) in zip(seen, wanted, strict=False):
        if label != wanted_label:
            return wanted_label, describe(came, axes), came
        if difference := differs(came, expected, axes):
            return label, difference, came
    if len(seen) != len(wanted):
        return check.removeprefix("test_").replace("_", " "), "It was not reached.", None
    return None


def _flat(sighting: Sighting) -> dict[str, Observation]:
    """Every observation by its check and label."""
    return {
        f"{check}: {label}": seen for check, of in sighting.seen.items() for label, _, seen in of
    }


def _diagnosis(record: dict[str, Any], seen: dict[str, Observation]) -> str:
    """The feedback of the variant that explains most of what is wrong, if one does.

    A variant is a candidate when the answer shows what it shows wherever it differs from the
    reference. So an answer with two misconceptions still gets the feedback of one of them.
    """
    candidates = [
        (len(variant["shown"]), variant["feedback"])
        for variant in record["wrong"].values()
        if all(_alike(seen.get(where), shown) for where, shown in variant["shown"].items())
    ]
    return max(candidates, key=lambda one: one[0], default=(0, ""))[1]


def _alike(one: Observation | None, two: Observation | None) -> bool:
    """Whether two observations are the same misbehaviour: neither differs from the other."""
    if one is None or two is None:
        return one is two
    if one["kind"] == two["kind"] == "raised":
        return bool(one["builtin"] == two["builtin"])
    return differs(one, two) is None and differs(two, one) is None


def make_record(exercise: Exercise) -> dict[str, Any]:
    """The record of an exercise, from the reference, the stub and the wrong variants in `meta/`."""

    def shown_by(answer: Path) -> Sighting:
        sighting = watch(exercise.folder / "test_exercise.py", answer, LIMIT)
        if sighting.ended is not None or sighting.crash:
            raise RuntimeError(f"{answer}: {sighting.ended or describe(sighting.crash or {})}")
        return sighting

    meta = exercise.folder / "meta"
    reference = shown_by(meta / "solution.py")
    expected = _flat(reference)
    wrong = {}
    for file in sorted(meta.glob("wrong_*.py")):
        feedback = load_module("variant", file).__doc__ or ""
        seen = _flat(shown_by(file))
        places = dict.fromkeys([*expected, *seen])
        shown = {p: seen.get(p) for p in places if not _alike(seen.get(p), expected.get(p))}
        wrong[file.stem.removeprefix("wrong_")] = {"feedback": feedback.strip(), "shown": shown}
    return {
        "stub": fingerprint(exercise.stub.read_text("utf-8")),
        "shown": {
            check: [[label, seen] for label, _, seen in of] for check, of in reference.seen.items()
        },
        "wrong": wrong,
    }
