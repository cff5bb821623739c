"""What a sighting means: points, and which known misconceptions it looks like.

Each exercise has a `record.json`: what the reference shows, and the signatures of the known wrong
answers (`variants.py`). `python -m exercises record` writes it anew; a test holds it to `meta/`.
"""

from __future__ import annotations

import hashlib
import json
import tokenize
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from exercises.earlier import FROM
from exercises.grader.child import Sighting, load_checks, watch
from exercises.grader.look import differs, result_differs
from exercises.grader.relations import relation
from exercises.grader.variants import came_at, diagnose, faults, places

__all__ = [
    *("HOME", "LIMIT", "Exercise", "Result", "exercises_in", "fingerprint", "grade", "is_stub"),
    *("load", "named", "read_code", "read_record", "select"),
]

HOME = Path(__file__).parents[1]
LIMIT = 10.0  # seconds for one answer
OURS = "The grader failed; this is not your answer. Please report it:"


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
        status: `"not started"`, `"crashed"`, `"wrong"`, `"timed out"`, `"passed"`, or
            `"not graded"`: the grader itself failed, and says so in `problem`.
        earned: Points by check: they count up to the first check that fails. That the first of
            all is the gate follows.
        check: The check that is told of: the first that fails.
        call: What was called where it first went wrong, what it was given (`set_up`), and
            `problem`, what was wrong there.
        causes: The misconceptions that this looks like, if it looks like any.
        relation: Where it looks like none that is known: what the values show by themselves.
        others: The names of the other checks that fail.
        printed: What the answer printed during that check.
        notes: What else it did, as sentences.
    """

    exercise: Exercise
    status: str
    earned: dict[str, int]
    check: str = ""
    call: str = ""
    set_up: str = ""
    problem: str = ""
    causes: tuple[str, ...] = ()
    relation: str = ""
    others: tuple[str, ...] = ()
    printed: str = ""
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> int:
        return sum(self.earned.values())

    def as_data(self) -> dict[str, Any]:
        """All but the exercise, as plain data: so it can leave its process."""
        return {name: value for name, value in vars(self).items() if name != "exercise"}

    @classmethod
    def of_data(cls, exercise: Exercise, data: dict[str, Any]) -> Result:
        tuples = {name: tuple(v) for name, v in data.items() if isinstance(v, list)}
        return cls(exercise, **{**data, **tuples})


def exercises_in(home: Path = HOME) -> list[Exercise]:
    """All exercises, in order."""
    return [load(folder) for folder in sorted(home.glob("ex[0-9][0-9]_*")) if folder.is_dir()]


def select(exercises: list[Exercise], only: str) -> list[Exercise]:
    """Those with the numbers in `only`, as in "1,2,11"; all of them where it is empty."""
    known = {one.number: one for one in exercises}
    asked = [part.strip() for part in only.split(",")] if only.strip() else []
    if unknown := [part for part in asked if not part.isdecimal() or int(part) not in known]:
        numbers = ", ".join(map(str, known))
        raise ValueError(f"--only {only}: there is no exercise {unknown[0]}. There are {numbers}.")
    wanted = {int(part) for part in asked} or set(known)
    return [one for number, one in known.items() if number in wanted]


def named(names: list[str]) -> list[Exercise]:
    """Those that have one of these in their name; all of them where none is given.

    Raises:
        ValueError: a name that no exercise has.
        FileNotFoundError: this copy has no references, which whoever asks for them needs.
    """
    exercises = exercises_in()
    if not any((one.folder / "meta" / "solution.py").exists() for one in exercises):
        raise FileNotFoundError("there is no meta/ in this copy. The repository has it.")
    if unknown := [name for name in names if not any(name in one.name for one in exercises)]:
        raise ValueError(f"there is no exercise {unknown[0]}.")
    return [one for one in exercises if not names or any(name in one.name for name in names)]


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
        return fingerprint(read_code(file)) == read_record(exercise)["stub"]
    except (OSError, SyntaxError, UnicodeDecodeError):
        return False


def read_record(exercise: Exercise) -> dict[str, Any]:
    """What the reference shows, and the known wrong answers with their causes."""
    record: dict[str, Any] = json.loads((exercise.folder / "record.json").read_text("utf-8"))
    return record


def fingerprint(code: str) -> str:
    """A hash of code that blank lines, comment lines and spaces at line ends do not change."""
    lines = [line.rstrip() for line in code.splitlines()]
    kept = [line for line in lines if line and not line.lstrip().startswith("#")]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]


def grade(
    exercise: Exercise,
    answer: Path,
    limit: float = LIMIT,
    find: Callable[[Exercise], Path] | None = None,
    wrappers: bool = True,
) -> Result:
    """Run the answer and judge it. `find` says where the learner's earlier answers lie.

    An answer that calls minicache's own of what is asked for counts if `wrappers`, and is told.
    """
    nothing = dict.fromkeys(exercise.checks, 0)
    record = read_record(exercise)
    try:
        code = read_code(answer)
    except FileNotFoundError:
        return Result(exercise, "not started", nothing, problem=f"There is no file {answer}.")
    except OSError as error:
        return Result(exercise, "crashed", nothing, problem=f"It cannot be read: {error}")
    except (SyntaxError, UnicodeDecodeError) as error:
        why = str(error).replace(f" for {str(answer)!r}", "")
        problem = f"It cannot be read as text: {why}. Save the file as UTF-8."
        return Result(exercise, "crashed", nothing, problem=problem)
    if fingerprint(code) == record["stub"]:
        return Result(exercise, "not started", nothing)
    try:
        earlier = _earlier(exercise, code, limit, find) if find else {}
        sighting = watch(exercise.folder / "test_exercise.py", answer, limit, earlier)
        if not sighting.broken:
            judged = _judged(exercise, record, sighting)
            return judged if not sighting.own else _wrapper(judged, sighting.own, wrappers)
        broken = sighting.broken
    except Exception:
        broken = traceback.format_exc()
    return Result(exercise, "not graded", nothing, problem=f"{OURS}\n{broken}")


def _earlier(
    exercise: Exercise, code: str, limit: float, find: Callable[[Exercise], Path]
) -> dict[str, str]:
    """The files of earlier answers that this code imports, as far as they pass."""
    files = {}
    for name, (folder, _) in FROM.items():
        asked = "exercises.earlier" in code and name in code and folder != exercise.name
        if asked and (HOME / folder).is_dir():  # a copy may hold some exercises only
            before = load(HOME / folder)
            file = find(before).absolute()
            if file.is_file() and grade(before, file, limit).status == "passed":
                files[name] = str(file)
    return files


def _judged(exercise: Exercise, record: dict[str, Any], sighting: Sighting) -> Result:
    """The verdict on what was seen of an answer."""
    expected, places_ = record["shown"], list(places(record["shown"]))
    wrong = faults(expected, sighting.seen)
    failing = list(dict.fromkeys(places_[number][0] for number in wrong))
    counted = list(takewhile(lambda check: check not in failing, exercise.checks))
    earned = {check: worth if check in counted else 0 for check, worth in exercise.checks.items()}
    notes = tuple(sighting.notes)
    if sighting.ended:
        status = "timed out" if sighting.timed_out else "crashed"
        printed = sighting.printed.get(next(iter(failing), ""), "") or _last(sighting.printed)
        return Result(
            exercise, status, earned, next(iter(failing), ""), sighting.during,
            problem=sighting.ended, printed=printed, notes=notes,
        )  # fmt: skip
    if not wrong:
        return Result(exercise, "passed", earned, notes=notes)
    found = diagnose(record, sighting.seen)
    explained = [number for number in wrong if any(number in at for at in found.values())]
    place = (explained or wrong)[0]
    causes = [cause for cause, at in found.items() if place in at or not explained]
    check, call, wanted = places_[place]
    came = came_at(sighting.seen, check, call)
    problem = differs(came, wanted) or ""
    if came["kind"] == "raised" and (came["line"] or "").endswith("raise NotImplementedError"):
        problem, causes = f"This part is not written yet: your line {came['line']}", []
    return Result(
        exercise,
        "crashed" if came["kind"] == "raised" and result_differs(came, wanted) else "wrong",
        earned,
        check=check,
        call=call,
        set_up=came.get("set_up", ""),
        problem=problem,
        causes=tuple(causes),
        relation="" if causes else relation(came, wanted, expected[check].values()),
        others=tuple(one for one in failing if one != check),
        printed=sighting.printed.get(check, ""),
        notes=notes,
    )


def _wrapper(judged: Result, own: str, allowed: bool) -> Result:
    """The verdict on an answer that calls minicache's own."""
    told = f"It uses minicache's own `{own}`, which is what the task asks for."
    if allowed or not judged.score:
        return replace(judged, notes=(*judged.notes, f"{told} To learn it, write it."))
    nothing = dict.fromkeys(judged.exercise.checks, 0)
    problem = f"{told} Here that has no points (--no-wrappers). All else of it may be used."
    gate = next(iter(judged.exercise.checks))
    return Result(judged.exercise, "wrong", nothing, gate, problem=problem, notes=judged.notes)


def _last(printed: dict[str, str]) -> str:
    return list(printed.values())[-1] if printed else ""
