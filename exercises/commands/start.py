"""Put a stub of each exercise in a folder of answers."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from exercises.grader.bank import Exercise

__all__ = ["start"]


def start(folder: Path, exercises: Sequence[Exercise]) -> list[Path]:
    """Put a stub of each exercise in a folder of answers. What is there stays as it is.

    Raises:
        ValueError: a file is there.
    """
    if in_the_way := [place for place in (folder, *folder.parents) if place.is_file()]:
        raise ValueError(f"{in_the_way[0]} is a file. Give a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for exercise in exercises:
        file = folder / f"{exercise.name}.py"
        if not file.exists() and not (folder / exercise.name).exists():
            shutil.copyfile(exercise.stub, file)
            made.append(file)
    return made
