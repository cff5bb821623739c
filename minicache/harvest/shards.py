"""Write a harvest's shards, each whole or not at all, into a folder of their own.

A shard is a file of consecutive items. It is written under another name, and renamed when it is
complete. Its header has the plan, a hash of the texts, and a checksum of the file's bytes. Before
the first shard, a claim is written: a file that says which plan and which texts the folder is for.
So the folder alone shows which shards are left to write. Lesson 17 shows it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from minicache.errors import ConfigError, DataError, logger, shown
from minicache.harvest.plan import Plan, row_shape
from minicache.model.config import HookedTransformerConfig

__all__ = ["Shard", "claim", "hash_texts", "is_complete", "survey", "write", "write_index"]

CLAIM, INDEX = "minicache-harvest.json", "index.json"
HARVEST_FILE: Final = re.compile(
    rf"shard-\d{{6,}}\.safetensors|{re.escape(INDEX)}|{re.escape(CLAIM)}"
)
LEFTOVER: Final = re.compile(rf"({HARVEST_FILE.pattern})\.[a-z0-9_]{{8}}\.part")
BLANK: Final = "0" * 64
"""Stands in a header in place of the checksum, while the checksum is computed."""
CHECKSUM: Final = re.compile(rb'\\"sha256\\": \\"([0-9a-f]{64})\\"')  # a header escapes quotes
Source = Callable[[], Iterator[str]]
"""A function that starts reading the texts from the beginning, each time it is called."""


class Shard(NamedTuple):
    """Consecutive items of a data set, and the file for their activations.

    Attributes:
        first_item: The number of the first item in the data set, from 0.
        items: How many items it has.
        texts: A hash of their texts.
    """

    file: Path
    first_item: int
    items: int
    texts: str


def survey(source: Source, folder: Path, items_per_shard: int) -> list[Shard]:
    """Divide the texts into shards, in one pass over them. Nothing is written.

    Raises:
        DataError: there are no texts.
    """
    items, first = source(), 0
    shards: list[Shard] = []
    while block := list(islice(items, items_per_shard)):
        file = folder / f"shard-{len(shards):06}.safetensors"
        shards.append(Shard(file, first, len(block), hash_texts(block)))
        first += len(block)
    if not shards:
        raise DataError("The data set has no texts.")
    return shards


def hash_texts(texts: Iterable[str]) -> str:
    """Hash a sequence of texts. The hash depends on where each text ends, too."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


def claim(shards: list[Shard], plan: Plan) -> None:
    """Write the claim of this harvest into its folder, or check the claim that is there.

    When several processes start at once, one writes the claim, and the others check it. A damaged
    claim is written again, if no shard in the folder is another harvest's.

    Raises:
        ConfigError: the folder is another plan's.
        DataError: the folder is that of other texts, or has shards and no claim.
    """
    folder = shards[0].file.parent
    folder.mkdir(parents=True, exist_ok=True)
    ours = {"plan": plan.as_json(), "texts": hash_texts(shard.texts for shard in shards)}
    content = json.dumps({**ours, "sha256": _hash_json(ours)}, indent=1) + "\n"
    file = folder / CLAIM
    if not file.exists():
        unclaimed = [name for name in sorted(os.listdir(folder)) if HARVEST_FILE.fullmatch(name)]
        if unclaimed and unclaimed != [CLAIM]:
            raise DataError(
                f"'{folder}' has a file {unclaimed[0]!r}, and no {CLAIM} that says which harvest "
                f"wrote it. Nothing was changed. Give another folder."
            )
        with _temporary_path(file) as part:
            part.write_text(content, encoding="utf-8")
            try:
                os.link(part, file)  # unlike a rename, it never replaces a file
            except FileExistsError:
                pass  # another process was first
            except OSError:  # a file system without links
                part.replace(file)
    if file.read_bytes() == content.encode():
        return
    if (theirs := _read_claim(file)) is not None:
        _compare(folder, theirs["plan"], plan)
        if theirs["texts"] != ours["texts"]:
            raise DataError(
                f"'{folder}' holds a harvest that was made from other texts: the data set has "
                f"changed. Give another folder."
            )
    for shard in shards:  # the claim is damaged: raise if a shard is another harvest's
        is_complete(shard, plan)
    logger.warning("'%s' is damaged, and is written again.", file)
    _write_text(file, content)


def is_complete(shard: Shard, plan: Plan) -> bool:
    """Return whether a shard's file has been written, by this plan, and is undamaged.

    Every byte of the file is read and compared with its checksum. A damaged file is logged.

    Raises:
        ConfigError: the file was written by another plan.
        DataError: the file was written from other texts.
    """
    if not shard.file.exists():
        return False
    metadata = _read_metadata(shard.file) if _is_whole(shard.file) else None
    if metadata is None:
        logger.warning("'%s' is damaged, and is written again.", shard.file)
        return False
    _compare(shard.file.parent, metadata["plan"], plan)
    if metadata["texts"] != shard.texts:
        raise DataError(
            f"'{shard.file}' was made from other texts: the data set has changed. "
            f"Give another folder."
        )
    return True


def _compare(folder: Path, theirs: dict[str, Any], plan: Plan) -> None:
    """Raise unless the plan of the files in a folder equals this plan."""
    for key, value in plan.as_json().items():
        if theirs.get(key) != value:
            raise ConfigError(
                f"'{folder}' holds a harvest with {key}={shown(theirs.get(key))}, and this one has "
                f"{shown(value)}. Give another folder, or the same {key}."
            )


def write(shard: Shard, plan: Plan, tensors: dict[str, Tensor], cut: int) -> None:
    """Write a shard's file, whole or not at all.

    Args:
        cut: How many of its items were longer than the plan's `pos`.

    Raises:
        OSError: the file cannot be written.
    """
    metadata = {"plan": plan.as_json(), "texts": shard.texts, "first_item": shard.first_item}
    metadata |= {"items": shard.items, "cut": cut, "sha256": BLANK}
    # A single entry, because safetensors writes several in no fixed order.
    with _replacing(shard.file) as part:
        try:
            save_file(tensors, part, {"minicache": json.dumps(metadata)})
        except Exception as error:  # a class of safetensors' own, if the disk is full for example
            raise OSError(f"'{shard.file}' cannot be written: {error}") from None
        _write_checksum(part)


def write_index(shards: list[Shard], plan: Plan, cfg: HookedTransformerConfig) -> dict[str, Any]:
    """Write `index.json` from the shards' headers, and remove what killed processes left.

    Returns:
        The contents of `index.json`.

    Raises:
        DataError: a shard is missing.
    """
    folder = shards[0].file.parent
    headers = {
        shard: _read_metadata(shard.file) if shard.file.exists() else None for shard in shards
    }
    if missing := [shard.file.name for shard, header in headers.items() if header is None]:
        raise DataError(
            f"{len(missing)} shards are missing in '{folder}', {missing[0]} among them. Check that "
            f"all machines write to this one folder, and run the same command again."
        )
    rows = [
        {
            "file": shard.file.name,
            "first_item": shard.first_item,
            "items": shard.items,
            "tokens": header["tokens"],
        }
        for shard, header in headers.items()
        if header
    ]
    index = {
        "plan": plan.as_json(),
        "items": sum(shard.items for shard in shards),
        "tokens": sum(header["tokens"] for header in headers.values() if header),
        "cut": sum(header["cut"] for header in headers.values() if header),
        "activations": {name: list(row_shape(cfg, name, plan.pos)) for name in plan.names},
        "shards": rows,
    }
    file, content = folder / INDEX, json.dumps(index, indent=1) + "\n"
    if file.exists() and file.read_bytes() != content.encode():
        logger.warning("'%s' is damaged, and is written again.", file)
    _write_text(file, content)
    _remove_leftovers(folder)
    return index


def _read_metadata(file: Path) -> dict[str, Any] | None:
    """Read a shard's metadata, and how many tokens it has. None if the file cannot be read."""
    try:
        with safe_open(file, "pt") as shard:
            metadata: dict[str, Any] = json.loads(shard.metadata()["minicache"])
            (metadata["tokens"],) = shard.get_slice("tokens").get_shape()
    except (
        Exception
    ):  # pragma: no cover  # the checksum finds damage first; a bad file may raise any
        return None
    return metadata


def _write_checksum(file: Path) -> None:
    """Compute a shard's SHA-256, with zeros in its place in the header, and write it there."""
    with file.open("r+b") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        opened.seek(0)
        header = opened.read(_read_header_size(opened.read(8), file))
        opened.seek(8 + header.index(BLANK.encode()))
        opened.write(digest.encode())


def _is_whole(file: Path) -> bool:
    """Return whether a shard's SHA-256 is the one in its header."""
    with file.open("rb") as opened:
        header = opened.read(8)
        header += opened.read(_read_header_size(header, file))
        found = CHECKSUM.search(header)
        if found is None:
            return False
        digest = hashlib.sha256(header[: found.start(1)] + BLANK.encode() + header[found.end(1) :])
        return hashlib.file_digest(opened, lambda: digest).hexdigest() == found[1].decode()


def _read_header_size(first_bytes: bytes, file: Path) -> int:
    return min(int.from_bytes(first_bytes, "little"), file.stat().st_size)


def _hash_json(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _read_claim(file: Path) -> dict[str, Any] | None:
    """Read a claim. None if it is damaged."""
    try:
        claimed: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        digest = claimed.pop("sha256")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return claimed if digest == _hash_json(claimed) else None


@contextmanager
def _temporary_path(file: Path) -> Iterator[Path]:
    """Make a temporary folder beside a file, and give a path of the same name in it."""
    with tempfile.TemporaryDirectory(
        prefix=f"{file.name}.", suffix=".part", dir=file.parent
    ) as scratch:
        yield Path(scratch, file.name)


@contextmanager
def _replacing(file: Path) -> Iterator[Path]:
    """Give a path to write to. At the end, that file is flushed to the disk and replaces `file`."""
    with _temporary_path(file) as part:
        part.touch()
        rights = part.stat().st_mode
        yield part
        part.chmod(rights)  # safetensors writes a file that only its owner may read
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(file)


def _write_text(file: Path, content: str) -> None:
    with _replacing(file) as part:
        part.write_text(content, encoding="utf-8")


def _remove_leftovers(folder: Path) -> None:
    """Remove the temporary folders that killed processes left."""
    for scratch in folder.iterdir():
        is_folder = scratch.is_dir() and not scratch.is_symlink()
        if is_folder and (match := LEFTOVER.fullmatch(scratch.name)):
            for file in scratch.iterdir():
                if file.name == match[1] or file.name.startswith("."):  # safetensors writes .name
                    file.unlink()
            with suppress(OSError):  # not empty: somebody else's file is in it
                scratch.rmdir()
