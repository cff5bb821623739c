"""Find the answers in what somebody handed in, and name what is called or placed otherwise.

An answer is `exNN_name.py` or `exNN_name/exercise.py` in the folder itself, in the only folder that
it holds, or in a clone's `my_answers/` or `exercises/`. Anything else that can only be one exercise
is graded too, and its result says what the file should be called. What could be two things is not.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from exercises.grader.bank import Exercise, is_stub, read_code

__all__ = ["Handin", "find_answers", "may_lie_there"]

MOST = 5000  # files that are looked at
ANY = 9  # the rank of a place that no document names
# Folders that hold no answers. Hidden ones are left out too.
OTHER = {"__pycache__", "__MACOSX", "meta", "grader", "commands", "site-packages", "node_modules"}
OTHER |= {"minicache", "lessons", "notebooks", "tests", "venv", "build", "dist"}
CLONED = {"exercises", "my_answers"}  # what holds one of them is a clone, whatever its name
SILENT = ("__init__", "__main__", "test_", "conftest", "earlier.py")  # nobody takes for an answer
# Answers, and what is handed in for one by mistake: that is named, and not graded.
LOOKED_AT = (".py", ".ipynb", ".txt", ".zip")
NAMED = re.compile(r"(?:ex(?:ercise|er)?)?[ _-]*0*(\d+)?[ _.-]*(.*?)")
ADDED = re.compile(r"[ _.-]*(\(\d+\)|[ _.-]\d+|copy|copie|kopie|final|solution|answer|v\d+)$")


@dataclass
class Handin:
    """What a folder holds.

    Attributes:
        files: The file to grade, by exercise. An exercise that is not here was not handed in.
        notes: By exercise, what is to be said of its file's name or place.
        others: Files that are no exercise's, as they lie in the folder.
        students: The folders that each hold the same exercise: several people's, as it seems.
        cut: There are more files than are looked at.
    """

    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    others: list[Path] = field(default_factory=list)
    students: list[Path] = field(default_factory=list)
    cut: bool = False

    def answer(self, exercise: Exercise) -> tuple[Path, list[str]]:
        """The file to grade, which may be missing, and what is to be said of it."""
        places = (f"{exercise.name}.py", f"{exercise.name}/exercise.py", "no answer")
        free = (place for place in places if not os.path.lexists(self.folder / place))
        file = self.files.get(exercise.name) or self.folder / next(free, places[-1])
        return file, [self.notes[exercise.name]] if exercise.name in self.notes else []

    def about(self, graded: Iterable[Exercise]) -> str:
        """What is to be said of names and places, in lines; "" if nothing is."""
        names = [one.name for one in graded]
        lines = [f"{name}: {note}" for name, note in self.notes.items() if name in names]
        if self.students:
            folders = ", ".join(one.name for one in self.students[:3])
            lines.append(
                f"These folders hold answers to the same exercise, so nothing in them was graded: "
                f"{folders}{', ..' * (len(self.students) > 3)}. If they are several people's: "
                f"python -m exercises grade {self.folder}. If they are one person's, put one file "
                "an exercise at the top."
            )
        elif not self.files and not self.notes:
            found = _listed(self.others) if self.others else "nothing that could be one"
            lines.append(
                f"There is no answer in {self.folder}. It holds {found}. An answer has its "
                f"exercise's name, as in {names[0]}.py, or lies in {names[0]}/exercise.py."
            )
        elif self.others:
            lines.append(f"These are none of these exercises': {_listed(self.others)}.")
        if self.cut:
            lines.append(f"It holds more than {MOST} files. Those above were looked at first.")
        return "\n".join(lines)


def find_answers(folder: Path, exercises: Iterable[Exercise]) -> Handin:
    """The answers in a folder. Nothing of it is run, and no link is followed."""
    exercises = list(exercises)
    handin, root = Handin(folder), _root(folder)
    found: dict[str, list[tuple[int, Path]]] = {}
    mistaken: dict[str, str] = {}
    for file in _files(root, handin):
        place, python = file.relative_to(folder), file.suffix.lower() == ".py"
        if file.is_symlink() or not python:
            name = file.parent.name if file.stem.lower() == "exercise" else file.stem
            if exercise := _named(re.sub(r"\.py$", "", name, flags=re.I), exercises):
                what = "a link" if file.is_symlink() else "no Python file"
                mistaken.setdefault(exercise.name, f"{place} is {what}, and was not graded.")
            elif not file.is_symlink() and file.suffix.lower() != ".txt":
                handin.others.append(place)
        elif exercise := _exercise_of(file, exercises):
            ranked = _rank(file.relative_to(root), exercise), file
            found.setdefault(exercise.name, []).append(ranked)
        else:
            handin.others.append(place)
    handin.students = _students(root, found)
    for exercise in exercises:
        _choose(handin, exercise, root, sorted(found.get(exercise.name, [])))
        if exercise.name not in found and exercise.name in mistaken:
            handin.notes[exercise.name] = (
                f"{mistaken[exercise.name]} Please hand in {exercise.name}.py itself."
            )
    return handin


def may_lie_there(place: Path) -> bool:
    """Whether this place, relative to a hand-in's folder, is in none that holds no answers."""
    inside = zip_longest(place.parts, place.parts[1:], fillvalue="")
    others = any(_holds_none(name, [inner]) for name, inner in inside)
    return not place.is_absolute() and not others


def _root(folder: Path) -> Path:
    """The folder itself, or what lies in the only folder that it holds."""
    while True:
        inside = [one for one in folder.iterdir() if not _is_other(one)]
        if len(inside) != 1 or not inside[0].is_dir() or re.match(r"ex\d", inside[0].name, re.I):
            return folder
        folder = inside[0]


def _is_other(path: Path) -> bool:
    return _holds_none(path.name, [inner for inner in CLONED if (path / inner).is_dir()])


def _holds_none(name: str, inside: Iterable[str]) -> bool:
    """Whether a folder of this name, with these inside it, holds no answers."""
    return name.startswith(".") or (name in OTHER and CLONED.isdisjoint(inside))


def _files(root: Path, handin: Handin) -> Iterator[Path]:
    """Every file below that is looked at, those near the top first, and no link followed.

    After MOST of them it ends, and the hand-in says so.
    """
    waiting, seen = deque([root]), 0
    while waiting:
        for path in sorted(waiting.popleft().iterdir()):
            seen += 1
            if seen > MOST:
                handin.cut = True
                return
            if _is_other(path) or path.name.startswith(SILENT):
                continue
            if path.is_dir() and not path.is_symlink():
                waiting.append(path)
            elif path.suffix.lower() in LOOKED_AT and (path.is_file() or path.is_symlink()):
                yield path


def _exercise_of(file: Path, exercises: list[Exercise]) -> Exercise | None:
    """The exercise that a file is for: by its name, by its folder's, or by the task in it."""
    name = file.parent.name if file.stem.lower() == "exercise" else file.stem
    if exercise := _named(name, exercises):
        return exercise
    try:
        number = re.match(r'"""Exercise (\d+):', read_code(file))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    return next((e for e in exercises if number and e.number == int(number[1])), None)


def _named(name: str, exercises: list[Exercise]) -> Exercise | None:
    """`Ex05_getitem`, `getitem`, `ex5`, `ex05_getitem (1)`: but not `ex05_guards`."""
    name = name.lower().strip()
    while (shorter := ADDED.sub("", name)) != name and shorter:
        if exercise := _named_plainly(name, exercises):
            return exercise
        name = shorter
    whole = [exercise for exercise in exercises if exercise.name in name]  # `Copy of ex05_getitem`
    return whole[0] if len(whole) == 1 else _named_plainly(name, exercises)


def _named_plainly(name: str, exercises: list[Exercise]) -> Exercise | None:
    number, key = NAMED.fullmatch(name).groups()  # type: ignore[union-attr]  # all of it may be key
    key = re.sub(r"[ .-]", "_", key)
    for exercise in exercises:
        if (number or key) and key in ("", exercise.key) and number in (None, str(exercise.number)):
            return exercise
    return None


def _rank(place: Path, exercise: Exercise) -> int:
    """How a place compares: first those that the documents name, in order, then any other."""
    flat, nested = f"{exercise.name}.py", f"{exercise.name}/exercise.py"
    asked = (flat, nested, f"my_answers/{flat}", f"exercises/{nested}")
    return asked.index(place.as_posix()) if place.as_posix() in asked else ANY


def _students(root: Path, found: dict[str, list[tuple[int, Path]]]) -> list[Path]:
    """The folders just below that hold one exercise's answer more than once among them."""
    for ranked in found.values():
        tops = {file.relative_to(root).parts[0] for rank, file in ranked if rank == ANY}
        folders = [root / top for top in sorted(tops) if (root / top).is_dir()]
        if len(folders) > 1:
            return folders
    return []


def _choose(handin: Handin, exercise: Exercise, root: Path, ranked: list[tuple[int, Path]]) -> None:
    """One file of those found: written before untouched, then as the documents place it."""
    if handin.students:
        ranked = [(rank, file) for rank, file in ranked if rank < ANY]
    written = [(rank, file) for rank, file in ranked if not is_stub(exercise, file)]
    ranked = written or ranked[:1]
    if not ranked:
        return
    places = [file.relative_to(handin.folder) for _, file in ranked]
    (best, file), *rest = ranked
    if best == ANY and len({file.read_bytes() for _, file in ranked}) > 1:
        handin.notes[exercise.name] = (
            f"{_listed(places)} could each be it, so none was graded. "
            f"Keep one, and call it {exercise.name}.py."
        )
        return
    handin.files[exercise.name] = file
    if best == ANY and written:
        right = f"{exercise.name}.py"
        asked = "put it at the top" if file.name == right else f"call it {right}"
        handin.notes[exercise.name] = f"Graded from {places[0]}. Please {asked}."
    elif rest and any(other.read_bytes() != file.read_bytes() for _, other in rest):
        handin.notes[exercise.name] = f"Graded: {places[0]}. Not graded: {_listed(places[1:])}."


def _listed(paths: list[Path], most: int = 5) -> str:
    names = [str(path) for path in paths[:most]]
    return ", ".join(names + ["..."] * (len(paths) > most))
