"""Read the texts of a data set, one after the other, never all at once.

A text file has an item a line. A JSON-lines file has an object a line, with the text in one of its
fields. A folder is a data set that the package `datasets` saved. What is neither file nor folder is
a name on the hub. Blank lines are skipped. Lesson 17 uses it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from minicache.errors import DataError, optional
from minicache.model import hub

__all__ = ["texts"]

JSON_LINES: Final = (".jsonl", ".ndjson", ".json")
NOT_TEXT: Final = (
    *(".csv", ".tsv", ".parquet", ".arrow", ".xml", ".html", ".yaml", ".yml", ".pdf", ".docx"),
    *(".npy", ".npz", ".pt", ".bin", ".safetensors", ".gz", ".bz2", ".xz", ".zst", ".zip", ".tar"),
)
"""Suffixes of files that are not text with an item a line."""


def texts(
    source: str | Path, field: str = "text", split: str = "train", subset: str | None = None
) -> Iterator[str]:
    """Every text of a data set, in its order.

    Args:
        source: A text file, a JSON-lines file (by its ending), a folder that `datasets` saved, or
            `owner/name` on the hub.
        field: The field of an object, or column of a row, that has the text.
        split: Of a data set with several.
        subset: Of a data set on the hub with several.

    Raises:
        DataError: there is no such data set, or an item of it is no text; the message says which.
        MissingPackageError: the extra `data` is needed.
    """
    path = Path(source)
    if not path.is_file():
        rows: Iterable[Any] = _data_set(source, split, subset)
        place = "row"
    elif path.suffix.lower() in JSON_LINES:
        rows, place = _objects(path), "object"
    elif path.suffix.lower() in NOT_TEXT:
        raise DataError(
            f"'{source}': {path.suffix} is not read. Give a text file (an item a line), .jsonl, or "
            f"a data set, such as a folder that the package `datasets` saved."
        )
    else:
        yield from _lines(path)
        return
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get(field), str):
            there = ", ".join(map(repr, row)) if isinstance(row, dict) else type(row).__name__
            raise DataError(
                f"'{source}', {place} {number}: no text in the field {field!r}. It has: {there}. "
                f"Name the right one with --field."
            )
        try:
            row[field].encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"'{source}', {place} {number}: its text is not valid Unicode: {error}."
            ) from None
        yield row[field]


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            yield from (line.rstrip("\n") for line in lines if line.strip())
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is not text in UTF-8: {error}.") from None


def _objects(path: Path) -> Iterator[Any]:
    for number, line in enumerate(_lines(path)):
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"'{path}', object {number}: this line is not valid JSON: {error}."
            ) from None


def _data_set(source: str | Path, split: str, subset: str | None) -> Iterable[Any]:
    if not Path(source).is_dir() and not hub.is_name(str(source)):
        raise DataError(
            f"There is no data set '{source}'. Give a text file, a JSON-lines file, a folder that "
            f"the package `datasets` saved, or owner/name on the hub."
        )
    package = optional("datasets", "data")
    try:
        if Path(source).is_dir():
            found = package.load_from_disk(str(source))
        else:
            found = package.load_dataset(str(source), subset, split=split)
    except IndexError:
        raise DataError(f"The data set '{source}' has no rows.") from None
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"The data set '{source}' cannot be loaded: {reason}") from error
    if not isinstance(found, dict):
        return found  # type: ignore[no-any-return]  # a package without types gave it
    if split not in found:
        raise DataError(f"'{source}' has no split {split!r}. It has: {', '.join(found)}.")
    return found[split]  # type: ignore[no-any-return]  # the same
