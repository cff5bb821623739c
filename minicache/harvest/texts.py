"""Read the texts of a data set one by one, without holding all in memory.

A text file has an item on each line. A JSON-lines file has an object on each line, with the text in
one of its fields. A folder is a data set that the package `datasets` saved. Any other source is a
name on the hub. Blank lines are skipped. Lesson 17 uses it.
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
"""Suffixes of files that are not text with an item on each line."""


def texts(
    source: str | Path, field: str = "text", split: str = "train", subset: str | None = None
) -> Iterator[str]:
    """Yield every text of a data set, in order.

    Args:
        source: A text file, a JSON-lines file (by its suffix), a folder that `datasets` saved, or
            `owner/name` on the hub.
        field: The field of an object, or column of a row, that has the text.
        split: Which split to read, if the data set has several.
        subset: Which subset to read, if a data set on the hub has several.

    Raises:
        DataError: there is no such data set, or an item is no text; the message says which.
        MissingPackageError: the extra `data` is not installed, and the data set needs it.
    """
    path = Path(source)
    if not path.is_file():
        rows: Iterable[Any] = _load_data_set(source, split, subset)
        kind = "row"
    elif path.suffix.lower() in JSON_LINES:
        rows, kind = _read_objects(path), "object"
    elif path.suffix.lower() in NOT_TEXT:
        raise DataError(
            f"'{source}': {path.suffix} files cannot be read. Give a text file (an item on each "
            f"line), a .jsonl file, or a data set, such as a folder that the package `datasets` "
            f"saved."
        )
    else:
        yield from _read_lines(path)
        return
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get(field), str):
            present = ", ".join(map(repr, row)) if isinstance(row, dict) else type(row).__name__
            raise DataError(
                f"'{source}', {kind} {number}: no text in the field {field!r}. It has: {present}. "
                f"Name the right field with --field."
            )
        try:
            row[field].encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"'{source}', {kind} {number}: its text is not valid Unicode: {error}."
            ) from None
        yield row[field]


def _read_lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            yield from (line.rstrip("\n") for line in lines if line.strip())
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is not text in UTF-8: {error}.") from None


def _read_objects(path: Path) -> Iterator[Any]:
    for number, line in enumerate(_read_lines(path)):
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"'{path}', object {number}: this line is not valid JSON: {error}."
            ) from None


def _load_data_set(source: str | Path, split: str, subset: str | None) -> Iterable[Any]:
    if not Path(source).is_dir() and not hub.is_name(str(source)):
        raise DataError(
            f"There is no data set '{source}'. Give a text file, a JSON-lines file, a folder that "
            f"the package `datasets` saved, or owner/name on the hub."
        )
    package = optional("datasets", "data")
    try:
        if Path(source).is_dir():
            data = package.load_from_disk(str(source))
        else:
            data = package.load_dataset(str(source), subset, split=split)
    except IndexError:
        raise DataError(f"The data set '{source}' has no rows.") from None
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"The data set '{source}' cannot be loaded: {reason}") from error
    if not isinstance(data, dict):
        return data  # type: ignore[no-any-return]  # the package `datasets` has no types
    if split not in data:
        raise DataError(
            f"'{source}' has no split {split!r}. It has: {', '.join(data)}. Name one with --split."
        )
    return data[split]  # type: ignore[no-any-return]  # the same
