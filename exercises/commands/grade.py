"""Grade a class: a folder or a zip file a student, one command, a table, a CSV file, a page."""

from __future__ import annotations

import ast
import csv
import gc
import os
import signal
import tempfile
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import torch

from exercises.commands.page import page
from exercises.grader.bank import Exercise, Result, exercises_in, grade, read_code, read_record
from exercises.grader.handins import Handin, find_answers
from exercises.grader.report import MARKS
from exercises.grader.unpack import unpack

__all__ = ["Class", "Student", "grade_class"]

BESIDE = (b"earlier", b"__file__", b"filename", b"inspect")  # in a text that may know its place
WORKERS = 4  # at most, and never more than there are cores: an answer has a limit of time
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
        longest = max(len(one.name) for one in self.exercises)
        lines = [f"{'':<{width}} points  {numbers}"]
        for student in self.students:
            marks = "  ".join(MARKS[one.status] for one in student.results)
            lines.append(f"{student.name:<{width}} {student.score:>6}  {marks}".rstrip())
        told = " ".join(f"{mark}={status}" for status, mark in MARKS.items() if mark.strip())
        lines += [f"of {self.most} points; {told}, blank=not started", ""]
        for number, exercise in enumerate(self.exercises):
            done = Counter(student.results[number].status for student in self.students)
            counts = ", ".join(f"{done[status]} {status}" for status in MARKS if done[status])
            lines.append(f"{exercise.name:<{longest}}  {counts}")
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
            f"  {name}: not graded. A hand-in is a folder or a zip file." for name in self.others
        ]
        return "\n".join(lines)

    def write_csv(self, file: Path) -> None:
        """A row a student: the sum, the points of each exercise, and what is to be said."""
        # With a mark, by which Excel knows UTF-8. Some file systems' names are in no encoding.
        with file.open("w", newline="", encoding="utf-8-sig", errors="replace") as opened:
            rows = csv.writer(opened)
            rows.writerow(["student", "points", "of", *(e.name for e in self.exercises), "told"])
            for one in self.students:
                points = [result.score for result in one.results]
                told = _as_text(one.about)
                rows.writerow([_as_text(one.name), one.score, self.most, *points, told])

    def write_page(self, file: Path, names: bool) -> None:
        """A page for the projector. Nobody's name is on it, unless asked for."""
        file.write_text(page(self, names), encoding="utf-8", errors="replace")


def grade_class(folder: Path, exercises: Sequence[Exercise], wrappers: bool = True) -> Class:
    """Grade every student's hand-in in a folder. What cannot be read is told, not raised."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder. Give one that holds a folder a student.")
    inside = sorted(one for one in folder.iterdir() if not one.name.startswith((".", "__MACOSX")))
    places = [one for one in inside if _is_zip(one) or (one.is_dir() and not one.is_symlink())]
    if {one.stem for one in places} <= {exercise.name for exercise in exercises_in()}:
        raise ValueError(
            f"{folder} holds no student's folder or zip file. "
            f"For the answers of one person: pytest exercises --answers {folder}"
        )
    others = [one.name for one in inside if one not in places]
    with ExitStack() as unpacked:
        opened = [_opened(place, unpacked) for place in places]
        results = _graded([one for one in opened if isinstance(one, Handin)], exercises, wrappers)
        students = [
            _student(name, one, results, exercises)
            for name, one in zip(_names(places), opened, strict=True)
        ]
    return Class(exercises, students, others)


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file() and not path.is_symlink()


def _names(places: Sequence[Path]) -> list[str]:
    """What the students are called: by a zip file's name without its ending, each by another name.

    A Mac writes an umlaut as two characters, which would shift a table, as a line's end would.
    """
    short = [_plain(place.stem if _is_zip(place) else place.name) for place in places]
    alone = Counter(short)
    names, counted = [], Counter[str]()
    for name, place in zip(short, places, strict=True):
        name = name if alone[name] == 1 else _plain(place.name)
        counted[name] += 1
        names.append(name if counted[name] == 1 else f"{name} ({counted[name]})")
    return names


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", " ".join(name.split()))


def _student(
    name: str, opened: Handin | str, results: Iterator[Result], exercises: Sequence[Exercise]
) -> Student:
    if isinstance(opened, str):
        nothing = [Result(e, "not started", dict.fromkeys(e.checks, 0)) for e in exercises]
        return Student(name, nothing, opened)
    own = [next(results) for _ in exercises]
    unreadable = [
        f"{r.exercise.name}: {r.problem}" for r in own if r.problem.startswith("It cannot be read")
    ]
    about = opened.about(exercises).replace(str(opened.folder), name)
    return Student(name, own, "\n".join([*about.splitlines(), *unreadable]))


def _opened(place: Path, unpacked: ExitStack) -> Handin | str:
    """What a student handed in, or why that cannot be read: it is no reason to stop for the rest.

    A zip file is unpacked for as long as it is needed, also one that is all there is in a folder.
    """
    try:
        if place.is_dir():
            handin = find_answers(place, exercises_in())
            zips = [path for path in place.iterdir() if _is_zip(path)]
            if handin.files or len(zips) != 1:
                return handin
            (place,) = zips
        folder = Path(unpacked.enter_context(tempfile.TemporaryDirectory()))
        unpack(place, folder)
        return find_answers(folder, exercises_in())
    except Exception as error:  # a broken zip file raises errors of many kinds
        return f"{place.name} cannot be read: {error}"


def _graded(
    handins: Sequence[Handin], exercises: Sequence[Exercise], wrappers: bool
) -> Iterator[Result]:
    """A result for each hand-in and exercise, in order. What is the same is graded once.

    Programs that differ in comments and spaces alone pass together. A verdict that is no pass may
    quote a line, so it holds for the same text alone.
    """
    every = [(exercise, handin, wrappers) for handin in handins for exercise in exercises]
    answers = [(exercise.name, handin.answer(exercise)[0]) for exercise, handin, _ in every]
    texts = [(name, _text(answer)) for name, answer in answers]
    programs = [(name, _program(answer)) for name, answer in answers]
    first = {program: n for n, program in reversed([*enumerate(programs)])}  # answer that has it
    results: dict[tuple[str, bytes | Path], Result] = {}
    # Windows has no fork, and a worker takes as long to start there as twenty answers to grade.
    context = get_context("fork" if hasattr(os, "fork") else "spawn")
    with ProcessPoolExecutor(_cores(), context, _set_up) as workers:

        def grade_those(numbers: Iterable[int]) -> None:
            by_exercise = sorted(numbers, key=lambda n: every[n][0].number)
            chosen = {texts[n]: every[n] for n in by_exercise if texts[n] not in results}
            results.update(zip(chosen, workers.map(_grade, chosen.values()), strict=True))

        grade_those(first.values())
        alike = [results[texts[first[program]]] for program in programs]
        grade_those(n for n, result in enumerate(alike) if result.status != "passed")
    return (results.get(text, result) for text, result in zip(texts, alike, strict=True))


def _cores() -> int:
    there = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    return min(WORKERS, len(there))


def _set_up() -> None:
    """In a worker: leave Ctrl+C to the command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _grade(asked: tuple[Exercise, Handin, bool]) -> Result:
    exercise, handin, wrappers = asked
    answer, _ = handin.answer(exercise)
    gc.freeze()  # what is there already is no child's to tidy, which would copy all of it
    return grade(exercise, answer, find=lambda one: handin.answer(one)[0], wrappers=wrappers)


def _text(answer: Path) -> bytes | Path:
    """What a verdict depends on: the text, or the place of one that may read what lies beside."""
    try:
        text = answer.read_bytes()
    except OSError:  # there is no file, or it cannot be read
        return answer
    return answer if any(word in text for word in BESIDE) else text


def _program(answer: Path) -> str | bytes | Path:
    """The text without comments and spaces, where Python can read it."""
    text = _text(answer)
    try:
        return text if isinstance(text, Path) else ast.dump(ast.parse(read_code(answer)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text


def _as_text(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name
