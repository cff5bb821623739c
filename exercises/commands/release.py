"""Write a copy for students, without solutions."""

from __future__ import annotations

import shutil
from pathlib import Path

from exercises.grader.bank import HOME

__all__ = ["release"]


def release(folder: Path) -> None:
    """Write a copy for students: the exercises without `meta/`, and what they need to run."""
    names = ("exercises", "minicache", "pyproject.toml", "constraints.txt", "LICENSE")
    parts = {name: HOME.parent / name for name in names} | {"README.md": HOME / "README.md"}
    for name, source in parts.items():
        if (folder / name).exists():
            raise FileExistsError(f"{folder / name} is there already. Give a new folder.")
        if not source.exists():
            raise FileNotFoundError(f"{source} is missing, and a copy needs it.")
    folder.mkdir(parents=True, exist_ok=True)
    unwanted = shutil.ignore_patterns("meta", "__pycache__", "*.pyc")
    for name, source in parts.items():
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=unwanted)
        else:
            shutil.copyfile(source, folder / name)
