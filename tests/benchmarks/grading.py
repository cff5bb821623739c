"""What it takes to grade a class of thirty, and a student alone.

    python -m tests.benchmarks.grading

Every student hands in all exercises, solved. In the last class no two programs are alike, so none
is graded once for two. Figures are seconds by the clock, and what a student takes alone (with torch
to load) against a student in that class.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from exercises.grader.bank import exercises_in

STUDENTS = 30
CLASSES = {
    "all hand in the same": "",
    "their comments differ": "# by student {}\n",
    "all programs differ": "\n\nstudent = {}\n",
}


def hand_in(folder: Path, end: str) -> None:
    """A folder a student, with the references as answers, and `end` at the end of each."""
    for number in range(STUDENTS):
        student = folder / f"student_{number:02}"
        student.mkdir()
        for exercise in exercises_in():
            solved = (exercise.folder / "meta" / "solution.py").read_text("utf-8")
            (student / f"{exercise.name}.py").write_text(solved + end.format(number), "utf-8")


def seconds_of(*command: object) -> float:
    """How long a command of exercises takes, with its start."""
    started = time.monotonic()
    words = [sys.executable, "-m", *map(str, command)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def main() -> None:
    print(f"{STUDENTS} students, all exercises solved, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        for number, (kind, end) in enumerate(CLASSES.items()):
            folder = Path(name) / f"class_{number}"
            folder.mkdir()
            hand_in(folder, end)
            seconds = seconds_of("exercises", "grade", folder)
            print(f"{kind:<24} {seconds:6.1f} s")
        one = next(folder.iterdir())
        alone = seconds_of("pytest", "-q", "exercises", "--answers", one)
        print(f"{'one of these alone':<24} {alone:6.1f} s")
        print(f"{'alone / in a class':<24} {alone * STUDENTS / seconds:6.1f}")


if __name__ == "__main__":
    main()
