"""Grade a class: a folder or a zip file a student, one process, a table, a CSV file, a page."""

from __future__ import annotations

import csv
import shutil
import tempfile
import textwrap
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from exercises.commands.page import page
from exercises.grader.bank import Exercise, Result, exercises_in, grade, read_record
from exercises.grader.handins import Handin, find_answers
from exercises.grader.report import MARKS

__all__ = ["Class", "Student", "grade_class"]

MOST = 200 << 20  # bytes that one zip file may unpack to
SHOWN = 8  # of the commonest mix-ups


@dataclass
class Student:
    """One hand-in: its folder's name, a result an exercise, and what its files' names deserve."""

    name: str
    results: list[Result] = field(default_factory=list)
    about: str = ""

    @property
    def score(self) -> int:
        return sum(one.score for one in self.results)


@dataclass
class Class:
    """All hand-ins of a class, graded."""

    exercises: Sequence[Exercise]
    students: list[Student]
    others: list[str]

    @property
    def most(self) -> int:
        return sum(one.most for one in self.exercises)

    def mixups(self) -> Counter[tuple[str, str]]:
        """How many students have each known mix-up: by (its exercise and name, its cause)."""
        names = {
            (exercise.name, known["cause"]): f"{exercise.key}, {name}"
            for exercise in self.exercises
            for name, known in read_record(exercise)["edits"].items()
        }
        every = [one for student in self.students for one in student.results]
        found = [(one.exercise.name, cause) for one in every for cause in one.causes]
        return Counter((names[place], place[1]) for place in found)

    def table(self) -> str:
        """A line a student, then the class by exercise, its mix-ups, and the files to rename."""
        width = max([12, *(len(student.name) for student in self.students)])
        numbers = " ".join(f"{one.number:02}" for one in self.exercises)
        lines = [f"{'':<{width}} points  {numbers}"]
        for student in self.students:
            marks = "  ".join(MARKS[one.status] for one in student.results)
            lines.append(f"{student.name:<{width}} {student.score:>6}  {marks}".rstrip())
        told = " ".join(f"{mark}={status}" for status, mark in MARKS.items() if mark.strip())
        lines += [f"of {self.most} points; {told}, blank=not started", ""]
        for number, exercise in enumerate(self.exercises):
            done = Counter(student.results[number].status for student in self.students)
            counts = ", ".join(f"{done[status]} {status}" for status in MARKS if done[status])
            lines.append(f"{exercise.name:<23} {counts}")
        if common := self.mixups().most_common(SHOWN):
            lines += ["", "The commonest mix-ups:"]
        for (name, text), count in common:
            of = f"{count} of {len(self.students)}"
            lines.append(f"  {of} have {name}: {textwrap.shorten(text, 200, placeholder=' ..')}")
        abouts = [(one.name, line) for one in self.students for line in one.about.splitlines()]
        if abouts or self.others:
            lines += ["", "Names and places:"]
        lines += [f"  {name}: {line}" for name, line in abouts]
        lines += [
            f"  {name}: nobody's. A student is a folder or a zip file." for name in self.others
        ]
        return "\n".join(lines)

    def write_csv(self, file: Path) -> None:
        """A row a student: the sum, the points of each exercise, and what is to be said."""
        with file.open("w", newline="", encoding="utf-8") as opened:
            rows = csv.writer(opened)
            rows.writerow(["student", "points", "of", *(e.name for e in self.exercises), "told"])
            for one in self.students:
                points = [result.score for result in one.results]
                rows.writerow([one.name, one.score, self.most, *points, one.about])

    def write_page(self, file: Path, names: bool) -> None:
        """A page for the projector. Nobody's name is on it, unless asked for."""
        file.write_text(page(self, names), encoding="utf-8")


def grade_class(folder: Path, exercises: Sequence[Exercise], wrappers: bool = True) -> Class:
    """Grade every student's hand-in in a folder. What cannot be read is told, not raised."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder. Give one that holds a folder a student.")
    inside = sorted(one for one in folder.iterdir() if not one.name.startswith((".", "__MACOSX")))
    students = [one for one in inside if one.is_dir() or one.suffix.lower() == ".zip"]
    if not students:
        raise ValueError(
            f"{folder} holds no student's folder or zip file. "
            f"For the answers of one person: pytest exercises --answers {folder}"
        )
    others = [one.name for one in inside if one not in students]
    with suppress(ImportError):  # exercise 15 makes torch load this: here once, for all children
        import_module("torch.distributed.tensor")
    return Class(exercises, [_graded(one, exercises, wrappers) for one in students], others)


def _earlier(handin: Handin, exercise: Exercise) -> Path:
    return handin.answer(exercise)[0]


def _graded(place: Path, exercises: Sequence[Exercise], wrappers: bool) -> Student:
    student = Student(place.name if place.is_dir() else place.stem)
    try:
        with _opened(place) as folder:
            handin = find_answers(folder, exercises_in())
            for exercise in exercises:
                answer, _ = handin.answer(exercise)
                one = grade(
                    exercise, answer, find=lambda one: handin.answer(one)[0], wrappers=wrappers
                )
                student.results.append(one)
            student.about = handin.about().replace(str(folder), student.name)
    except (OSError, ValueError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        student.about = f"{place.name} cannot be read: {error}"
        nothing = [Result(e, "not started", dict.fromkeys(e.checks, 0)) for e in exercises]
        student.results = nothing
    return student


@contextmanager
def _opened(place: Path) -> Iterator[Path]:
    """The folder itself, or what a zip file holds, unpacked for as long as it is needed."""
    if place.is_dir():
        yield place
        return
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(place) as packed:
        wanted = [one for one in packed.infolist() if one.filename.lower().endswith(".py")]
        if sum(one.file_size for one in wanted) > MOST:
            raise ValueError(f"it would unpack to more than {MOST >> 20} MB")
        packed.extractall(folder, wanted)  # zipfile keeps every path inside the folder
        yield Path(folder)
        shutil.rmtree(Path(folder) / "__pycache__", ignore_errors=True)
