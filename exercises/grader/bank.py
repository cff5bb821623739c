"""What a sighting means: points, and which known misconception it looks like.

Each exercise has a `record.json`: what the reference shows, and for each wrong variant of the bank
its feedback and where it shows something else. So a misconception is known by its behaviour, and a
copy for students needs no solution and no variant to name it. `python -m exercises record` writes
it anew; a test holds it to the files in `meta/`.
"""

from __future__ import annotations

import hashlib
import json
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exercises.grader.child import Sighting, load_checks, watch
from exercises.grader.look import Observation, alike, differs

__all__ = [
    *("HOME", "LIMIT", "Exercise", "Result", "exercises_in", "fingerprint", "grade", "is_stub"),
    *("load", "read_code"),
]

HOME = Path(__file__).parents[1]
LIMIT = 10.0  # seconds for one answer
ABSENT: Observation = {"kind": "absent", "value": "nothing: it was not reached"}


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

    @property
    def number(self) -> int:
        return int(self.name[2:4])

    @property
    def key(self) -> str:
        """Its name without the number: `getitem`."""
        return self.name.partition("_")[2]


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

    def as_data(self) -> dict[str, Any]:
        """All but the exercise, as plain data: so it can leave its process."""
        return {name: value for name, value in vars(self).items() if name != "exercise"}

    @classmethod
    def of_data(cls, exercise: Exercise, data: dict[str, Any]) -> Result:
        return cls(exercise, **{**data, "notes": tuple(data["notes"])})


def exercises_in(home: Path = HOME) -> list[Exercise]:
    """All exercises, in order."""
    return [load(folder) for folder in sorted(home.glob("ex[0-9][0-9]_*")) if folder.is_dir()]


def load(folder: Path) -> Exercise:
    module = load_checks(folder / "test_exercise.py")
    named = {name: check for name, check in vars(module).items() if name.startswith("test_")}
    checks = {name: getattr(check, "points", 1) for name, check in named.items()}
    return Exercise(folder, module.TITLE, module.LESSON, checks)


def read_code(file: Path) -> str:
    """A file's text as Python reads it: with a byte-order mark, or in the encoding it declares."""
    with tokenize.open(file) as opened:
        return opened.read()


def is_stub(exercise: Exercise, file: Path) -> bool:
    """Whether a file is the exercise's stub as it came."""
    try:
        return fingerprint(read_code(file)) == _record(exercise)["stub"]
    except (OSError, SyntaxError, UnicodeDecodeError):
        return False


def _record(exercise: Exercise) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((exercise.folder / "record.json").read_text("utf-8"))
    return record


def fingerprint(code: str) -> str:
    """A hash of code that blank lines, comment lines and spaces at line ends do not change."""
    lines = [line.rstrip() for line in code.splitlines()]
    kept = [line for line in lines if line and not line.lstrip().startswith("#")]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]


def grade(exercise: Exercise, answer: Path, limit: float = LIMIT) -> Result:
    """Run the answer and judge it."""
    nothing = dict.fromkeys(exercise.checks, 0)
    record = _record(exercise)
    try:
        code = read_code(answer)
    except FileNotFoundError:
        return Result(exercise, "not started", nothing, problem=f"There is no file {answer}.")
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        return Result(exercise, "crashed", nothing, problem=f"{answer} cannot be read: {error}")
    if fingerprint(code) == record["stub"]:
        return Result(exercise, "not started", nothing)
    return _judged(exercise, record, watch(exercise.folder / "test_exercise.py", answer, limit))


def _judged(exercise: Exercise, record: dict[str, Any], sighting: Sighting) -> Result:
    faults = {check: _fault(record, sighting, check) for check in exercise.checks}
    gate, *_ = faults.values()
    earned = {c: 0 if gate or faults[c] else worth for c, worth in exercise.checks.items()}
    notes = tuple(sighting.notes)
    if sighting.ended:
        status = "timed out" if sighting.timed_out else "crashed"
        return Result(exercise, status, earned, sighting.during, sighting.ended, notes=notes)
    fault = next(filter(None, faults.values()), None)
    if fault is None:
        return Result(exercise, "passed", earned, notes=notes)
    call, problem, seen = fault
    if seen.get("builtin") == "NotImplementedError":
        problem, feedback = "This part is not written yet: it raises NotImplementedError.", ""
    else:
        feedback = _diagnosis(record, sighting)
    status = "crashed" if seen["kind"] == "raised" else "wrong"
    return Result(exercise, status, earned, call, problem, feedback, notes)


def _fault(
    record: dict[str, Any], sighting: Sighting, check: str
) -> tuple[str, str, Observation] | None:
    """Where a check first shows something else than the reference: call, difference, what came."""
    seen = sighting.seen.get(check, {})
    for label, expected in record["shown"][check].items():
        came = seen.get(label) or seen.get("") or ABSENT  # "": the check itself could not go on
        if difference := differs(came, expected):
            return label, difference, came
    return None


def _diagnosis(record: dict[str, Any], sighting: Sighting) -> str:
    """The feedback of the variant that explains most of what is wrong, if one does.

    A variant is a candidate when the answer shows what it shows wherever it differs from the
    reference. So an answer with two misconceptions still gets the feedback of one of them.
    """
    candidates = [
        (len(variant["shown"]), variant["feedback"])
        for variant in record["wrong"].values()
        if all(
            alike(sighting.seen.get(check, {}).get(label, ABSENT), shown)
            for check, label, shown in variant["shown"]
        )
    ]
    return max(candidates, key=lambda one: one[0], default=(0, ""))[1]
