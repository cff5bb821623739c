"""Unpack a zip file that somebody handed in: what may be an answer, and what it may read."""

from __future__ import annotations

import stat
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from exercises.grader.handins import may_lie_there

__all__ = ["unpack"]

MOST = 20 << 20  # bytes that one zip file may unpack to
LARGE = 1 << 20  # bytes of a file that is no answer, and that no answer is likely to read
ENCRYPTED = 1  # the bit of an entry's flags that says so


def unpack(file: Path, folder: Path) -> None:
    """Unpack a zip file into a folder. What is large and no answer is an empty file there.

    Links are left out, and what lies where no answer lies (`.git`, `__MACOSX`).

    Raises:
        ValueError: it has a password, or would have more than MOST bytes.
        Exception: it is broken; zipfile raises errors of many kinds.
    """
    with ZipFile(file) as packed:
        for entry in packed.infolist():
            entry.filename = entry.filename.replace("\\", "/")  # as some tools of Windows write it
        entries = [entry for entry in packed.infolist() if _is_wanted(entry)]
        small = [one for one in entries if one.file_size <= LARGE or one.filename.endswith(".py")]
        if any(entry.flag_bits & ENCRYPTED for entry in small):
            raise ValueError("it has a password. Ask for a file without one")
        if sum(entry.file_size for entry in small) > MOST:
            raise ValueError(f"its files would have more than {MOST >> 20} MB")
        packed.extractall(folder, small)
    for place in (folder / entry.filename for entry in entries if entry not in small):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def _is_wanted(entry: ZipInfo) -> bool:
    """Whether it is a file, and no link, in a place where answers may lie."""
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    return not entry.is_dir() and not is_link and may_lie_there(Path(entry.filename))
