"""Write a harvest's shards, each whole or not at all, into a folder that is one harvest's.

A shard is a file of consecutive items. It is written under another name, and renamed when it is
complete. Its header says which plan and which texts it comes from, and has a checksum of its bytes.
Before the first shard, a file claims the folder for one plan and one data set. So the folder alone
shows what is left to do. Lesson 17 shows it.
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

__all__ = ["Shard", "claim", "hash_texts", "is_there", "survey", "write", "write_index"]

CLAIM, INDEX = "minicache-harvest.json", "index.json"
OURS: Final = re.compile(rf"shard-\d{{6,}}\.safetensors|{re.escape(INDEX)}|{re.escape(CLAIM)}")
PART: Final = re.compile(rf"({OURS.pattern})\.[a-z0-9_]{{8}}\.part")
BLANK: Final = "0" * 64
CHECKSUM: Final = re.compile(
    rb'\\"sha256\\": \\"([0-9a-f]{64})\\"'
)  # inside a header, quotes escaped
Source = Callable[[], Iterator[str]]
"""A function that starts reading the texts from the beginning each time it is called."""


class Shard(NamedTuple):
    """Consecutive items: their file, their place in the data set, and a hash of their texts."""

    file: Path
    first_item: int
    items: int
    texts: str


def survey(source: Source, folder: Path, items_per_shard: int) -> list[Shard]:
    """Plan the shards of these texts, in one pass over them. Nothing is written.

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
    """A hash of texts. Where each text ends counts too."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


def claim(shards: list[Shard], plan: Plan) -> None:
    """Claim a folder for this harvest before anything else is written, or check an older claim.

    When several processes start at once, one writes the claim, and the others check it.

    Raises:
        ConfigError: the folder is a harvest's with another plan.
        DataError: it is a harvest's over other texts, or has files of these names from elsewhere.
    """
    folder = shards[0].file.parent
    folder.mkdir(parents=True, exist_ok=True)
    ours = {"plan": plan.as_json(), "texts": hash_texts(shard.texts for shard in shards)}
    content = json.dumps({**ours, "sha256": _hash_json(ours)}, indent=1) + "\n"
    file = folder / CLAIM
    if not file.exists():
        unclaimed = [name for name in sorted(os.listdir(folder)) if OURS.fullmatch(name)]
        if unclaimed and unclaimed != [CLAIM]:
            raise DataError(
                f"'{folder}' has a file {unclaimed[0]!r}, and no {CLAIM} that says which harvest "
                f"wrote it. It is left as it is. Give another folder."
            )
        with _beside(file) as part:
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
    for shard in shards:  # the claim is damaged; a whole shard raises if it is another harvest's
        is_there(shard, plan)
    logger.warning("'%s' is damaged, and is written again.", file)
    _put(file, content)


def is_there(shard: Shard, plan: Plan) -> bool:
    """Whether a shard has been written already, and every byte of it is as it was written.

    Raises:
        ConfigError: it was written by another plan.
        DataError: it was written from other texts.
    """
    if not shard.file.exists():
        return False
    about = _about(shard.file) if _is_whole(shard.file) else None
    if about is None:
        logger.warning("'%s' is damaged, and is written again.", shard.file)
        return False
    _compare(shard.file.parent, about["plan"], plan)
    if about["texts"] != shard.texts:
        raise DataError(
            f"'{shard.file}' was made from other texts: the data set has changed. "
            f"Give another folder."
        )
    return True


def _compare(folder: Path, theirs: dict[str, Any], plan: Plan) -> None:
    for key, value in plan.as_json().items():
        if theirs.get(key) != value:
            raise ConfigError(
                f"'{folder}' holds a harvest with {key}={shown(theirs.get(key))}, and this one has "
                f"{shown(value)}. Give another folder, or ask for the same."
            )


def write(shard: Shard, plan: Plan, tensors: dict[str, Tensor], cut: int) -> None:
    """Write a shard's file, whole or not at all.

    Args:
        cut: How many of its items were longer than the plan's `pos`.

    Raises:
        OSError: it cannot be written.
    """
    about = {"plan": plan.as_json(), "texts": shard.texts, "first_item": shard.first_item}
    about |= {"items": shard.items, "cut": cut, "sha256": BLANK}
    # One entry of metadata: safetensors writes several in no fixed order.
    with _replacing(shard.file) as part:
        try:
            save_file(tensors, part, {"minicache": json.dumps(about)})
        except Exception as error:  # the package's own, that of a full disk among them
            raise OSError(f"'{shard.file}' cannot be written: {error}") from None
        _write_checksum(part)


def write_index(shards: list[Shard], plan: Plan, cfg: HookedTransformerConfig) -> dict[str, Any]:
    """Write `index.json` from the shards' headers, and remove what killed processes left.

    Raises:
        DataError: a shard is missing.
    """
    folder = shards[0].file.parent
    abouts = {shard: _about(shard.file) if shard.file.exists() else None for shard in shards}
    if missing := [shard.file.name for shard, about in abouts.items() if about is None]:
        raise DataError(
            f"{len(missing)} shards are missing in '{folder}', {missing[0]} among them. Check that "
            f"all machines write to this one folder, and run the same command again."
        )
    rows = [
        {
            "file": shard.file.name,
            "first_item": shard.first_item,
            "items": shard.items,
            "tokens": about["tokens"],
        }
        for shard, about in abouts.items()
        if about
    ]
    index = {
        "plan": plan.as_json(),
        "items": sum(shard.items for shard in shards),
        "tokens": sum(about["tokens"] for about in abouts.values() if about),
        "cut": sum(about["cut"] for about in abouts.values() if about),
        "activations": {name: list(row_shape(cfg, name, plan.pos)) for name in plan.names},
        "shards": rows,
    }
    file, content = folder / INDEX, json.dumps(index, indent=1) + "\n"
    if file.exists() and file.read_bytes() != content.encode():
        logger.warning("'%s' is damaged, and is written again.", file)
    _put(file, content)
    _remove_leftovers(folder)
    return index


def _about(file: Path) -> dict[str, Any] | None:
    """A shard's metadata, and how many tokens it has. None if it cannot be read."""
    try:
        with safe_open(file, "pt") as shard:
            about: dict[str, Any] = json.loads(shard.metadata()["minicache"])
            (about["tokens"],) = shard.get_slice("tokens").get_shape()
    except Exception:  # pragma: no cover  # damage is found by its hash before; else, anything
        return None
    return about


def _write_checksum(file: Path) -> None:
    """Write a shard's SHA-256 into its header. It is taken while zeros are in that place."""
    with file.open("r+b") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        opened.seek(0)
        opened.seek(opened.read(_header_end(opened.read(8), file)).index(BLANK.encode()) + 8)
        opened.write(digest.encode())


def _is_whole(file: Path) -> bool:
    """Whether a shard's SHA-256 is the one in its header."""
    with file.open("rb") as opened:
        start = opened.read(8)
        start += opened.read(_header_end(start, file))
        found = CHECKSUM.search(start)
        if found is None:
            return False
        digest = hashlib.sha256(start[: found.start(1)] + BLANK.encode() + start[found.end(1) :])
        return hashlib.file_digest(opened, lambda: digest).hexdigest() == found[1].decode()


def _header_end(start: bytes, file: Path) -> int:
    return min(int.from_bytes(start, "little"), file.stat().st_size)


def _hash_json(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _read_claim(file: Path) -> dict[str, Any] | None:
    try:
        claimed: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        digest = claimed.pop("sha256")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return claimed if digest == _hash_json(claimed) else None


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A path of the same name in a temporary folder beside it, which is removed at the end."""
    with tempfile.TemporaryDirectory(
        prefix=f"{file.name}.", suffix=".part", dir=file.parent
    ) as scratch:
        yield Path(scratch, file.name)


@contextmanager
def _replacing(file: Path) -> Iterator[Path]:
    """A path to write to. It replaces `file` once it is complete and on the disk."""
    with _beside(file) as part:
        part.touch()
        rights = part.stat().st_mode
        yield part
        part.chmod(rights)  # safetensors leaves a file that nobody else may read
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(file)


def _put(file: Path, content: str) -> None:
    with _replacing(file) as part:
        part.write_text(content, encoding="utf-8")


def _remove_leftovers(folder: Path) -> None:
    """Remove the temporary folders of `_beside` that killed processes left."""
    for scratch in folder.iterdir():
        is_folder = scratch.is_dir() and not scratch.is_symlink()
        if is_folder and (named := PART.fullmatch(scratch.name)):
            for file in scratch.iterdir():
                if file.name == named[1] or file.name.startswith("."):  # safetensors' own
                    file.unlink()
            with suppress(OSError):  # it holds something else
                scratch.rmdir()
