"""Grade every first-order mutant of each reference: what passes is a hole in the checks."""

from __future__ import annotations

import tempfile
from pathlib import Path

from exercises.grader.bank import Exercise, grade, named
from exercises.grader.child import load_module
from exercises.grader.mutants import mutants as mutants_of

__all__ = ["mutants", "survivors"]

LIMIT = 3.0  # seconds for one of them: most of those that do not end never would


def mutants(names: list[str]) -> int:
    """Print what passes and should not. The exit status: 0 if nothing does."""
    status = 0
    for exercise in named(names):
        count, passing = survivors(exercise)
        listed = load_module("variants", exercise.folder / "meta" / "variants.py").EQUIVALENT
        said = [f"passes, and is not listed: {one}" for one in passing if one not in listed]
        said += [f"is listed, and does not pass: {one}" for one in listed if one not in passing]
        print(f"{exercise.name}: {count} mutants, {len(listed)} equivalent", *said, sep="\n  ")
        status = status or bool(said)
    return int(status)


def survivors(exercise: Exercise) -> tuple[int, list[str]]:
    """How many mutants there are, and which of them have full marks, or break the grader."""
    source = (exercise.folder / "meta" / "solution.py").read_text("utf-8")
    every, passing = mutants_of(source), []
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.py"
        for change, code in every.items():
            answer.write_text(code, "utf-8")
            result = grade(exercise, answer, LIMIT)
            if result.status == "not graded":
                raise RuntimeError(f"{exercise.name}, {change}: {result.problem}")
            if result.status == "passed":
                passing.append(change)
    return len(every), passing
