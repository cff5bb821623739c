"""The shelf: a harvest's files, and what makes it safe to stop at any moment.

A plan says all that decides the bytes. A shard is a run of items; its file is written beside its
place, and renamed when it is whole. So a shard that is there is whole, and each says which plan and
which texts it comes from. What is left to do can be read off the folder. Lesson 17 tells the story.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from minicache.errors import ConfigError, DataError, UnknownActivationError, nearest
from minicache.model import HookedTransformer
from minicache.model.config import HookedTransformerConfig
from minicache.names import axes_of, get_act_name

__all__ = [
    "Plan",
    "Shard",
    "bytes_a_token",
    "is_there",
    "row_shape",
    "survey",
    "write",
    "write_index",
]

DTYPES: Final = ("float32", "float64", "bfloat16", "float16")
Source = Callable[[], Iterator[str]]
"""Gives the texts anew each time that it is called."""


@dataclass(frozen=True)
class Plan:
    """All that decides the bytes of a shard, but for its texts.

    Attributes:
        model: A hash of its configuration and weights.
        names: The activations, by full name, in the model's order.
        pos: The most tokens of an item; the rest of a longer one is cut off.
        batch: Items run at once. It decides the last bits of the results, so it belongs here.
        items_per_shard: What a kill can cost, and what is held in memory.
        dtype: Of the activations in the files.
    """

    model: str
    names: tuple[str, ...]
    pos: int
    batch: int
    items_per_shard: int
    dtype: str

    @classmethod
    def of(
        cls,
        model: HookedTransformer,
        names: list[str],
        pos: int | None = None,
        batch: int = 32,
        items_per_shard: int = 256,
        dtype: str = "float32",
    ) -> Plan:
        """A plan for this model, checked.

        Args:
            names: As in `cache[name]`, or patterns such as `blocks.*.hook_resid_post`.
            pos: None means the model's whole context.

        Raises:
            UnknownActivationError: no activation has this name, or fits this pattern.
            ConfigError: a number or the dtype is not to be had.
        """
        most = model.cfg.n_ctx
        pos = most if pos is None else pos
        for what, value in {"batch": batch, "items_per_shard": items_per_shard, "pos": pos}.items():
            if value < 1 or (what == "pos" and value > most):
                raise ConfigError(f"{what}={value}: give 1 or more; the model's n_ctx is {most}.")
        if dtype not in DTYPES:
            raise ConfigError(f"dtype={dtype!r}: give {', '.join(DTYPES)}.")
        picked = {found for name in names for found in _matching(model, name)}
        in_order = tuple(name for name in model.hook_dict if name in picked)
        return cls(_fingerprint(model), in_order, pos, batch, items_per_shard, dtype)

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON gives it back: lists for tuples."""
        return {**asdict(self), "names": list(self.names)}


class Shard(NamedTuple):
    """A run of items: the file that they go to, and a hash of their texts."""

    file: Path
    first_item: int
    items: int
    texts: str


def survey(source: Source, folder: Path, items_per_shard: int) -> list[Shard]:
    """The shards that these texts make. One pass over the texts; nothing else is read.

    Raises:
        DataError: there are no texts.
    """
    items, first = source(), 0
    shards: list[Shard] = []
    while block := list(islice(items, items_per_shard)):
        digest = hashlib.sha256()
        for text in block:
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
        file = folder / f"shard-{len(shards):06}.safetensors"
        shards.append(Shard(file, first, len(block), digest.hexdigest()))
        first += len(block)
    if not shards:
        raise DataError("The data set has no texts.")
    return shards


def row_shape(cfg: HookedTransformerConfig, name: str, pos: int) -> tuple[int, ...]:
    """The shape of an activation's row: what it holds for one token.

    A row of a pattern, or of its scores, is a query's, with room for `pos` keys.
    """
    sizes = {"head": cfg.n_heads, "key": pos, "1": 1}
    rest = (axis for axis in axes_of(name) if axis not in ("pos", "query"))
    return tuple(sizes[axis] if axis in sizes else getattr(cfg, axis) for axis in rest)


def bytes_a_token(
    cfg: HookedTransformerConfig, names: tuple[str, ...], pos: int, dtype: str = "float32"
) -> int:
    """What one token takes on the disk, by the formula: the numbers of its rows, times their size.

    The tokens and offsets beside them take 8 bytes a token, and 8 an item.
    """
    numbers = sum(math.prod(row_shape(cfg, name, pos)) for name in names)
    size: int = getattr(torch, dtype).itemsize
    return numbers * size


def is_there(shard: Shard, plan: Plan) -> bool:
    """Whether a shard has been made already.

    Raises:
        ConfigError: it has, by another plan.
        DataError: it has, from other texts; or it is damaged.
    """
    if not shard.file.exists():
        return False
    about, ours = _about(shard.file), plan.as_json()
    for key, theirs in about["plan"].items():
        if theirs != ours[key]:
            raise ConfigError(
                f"'{shard.file.parent}' holds a harvest with {key}={theirs!r}, and this one has "
                f"{ours[key]!r}. Give another folder, or ask for the same."
            )
    if about["texts"] != shard.texts:
        raise DataError(
            f"'{shard.file}' was made from other texts: the data set has changed. "
            f"Give another folder."
        )
    return True


def write(shard: Shard, plan: Plan, tensors: dict[str, Tensor], cut: int) -> None:
    """Put a shard in its place, whole or not at all.

    Args:
        cut: How many of its items were longer than the plan's `pos`.

    Raises:
        OSError: the disk does not take it.
    """
    about = {"plan": plan.as_json(), "texts": shard.texts, "first_item": shard.first_item}
    # One entry of metadata: safetensors writes several in no fixed order.
    metadata = {"minicache": json.dumps({**about, "items": shard.items, "cut": cut})}
    with _replacing(shard.file) as part:
        try:
            save_file(tensors, part, metadata)
        except SafetensorError as error:
            raise OSError(f"'{shard.file}' cannot be written: {error}") from None


def write_index(shards: list[Shard], plan: Plan, cfg: HookedTransformerConfig) -> dict[str, Any]:
    """Write `index.json` from what the shards say of themselves, and take leftovers away.

    Raises:
        DataError: a shard is missing.
    """
    folder = shards[0].file.parent
    if missing := [shard.file.name for shard in shards if not is_there(shard, plan)]:
        raise DataError(
            f"{len(missing)} shards are missing in '{folder}', {missing[0]} among them. Do all "
            f"machines write to this one folder? Run the same command again."
        )
    rows, cut = [], 0
    for shard in shards:
        with safe_open(shard.file, "pt") as opened:
            (tokens,) = opened.get_slice("tokens").get_shape()
        place = {"first_item": shard.first_item, "items": shard.items, "tokens": tokens}
        rows.append({"file": shard.file.name, **place})
        cut += _about(shard.file)["cut"]
    index = {
        "plan": plan.as_json(),
        "items": sum(row["items"] for row in rows),
        "tokens": sum(row["tokens"] for row in rows),
        "cut": cut,
        "activations": {name: list(row_shape(cfg, name, plan.pos)) for name in plan.names},
        "shards": rows,
    }
    with _replacing(folder / "index.json") as part:
        part.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    for leftover in folder.glob("*.part"):  # of processes that were killed
        shutil.rmtree(leftover, ignore_errors=True)
    return index


def _matching(model: HookedTransformer, name: str) -> list[str]:
    pattern = name if set(name) & set("*?[") else get_act_name(name)
    if found := fnmatch.filter(model.hook_dict, pattern):
        return found
    hint = nearest(pattern, model.hook_dict)
    raise UnknownActivationError(f"This model has no activation {pattern!r}.{hint}")


def _fingerprint(model: HookedTransformer) -> str:
    digest = hashlib.sha256(json.dumps(model.config_dict(), sort_keys=True).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _about(file: Path) -> dict[str, Any]:
    try:
        with safe_open(file, "pt") as shard:
            about: dict[str, Any] = json.loads(shard.metadata()["minicache"])
    except (SafetensorError, KeyError, TypeError, ValueError):
        raise DataError(f"'{file}' is damaged, or no shard of ours. Take it away first.") from None
    return about


@contextmanager
def _replacing(file: Path) -> Iterator[Path]:
    """A file to write, which takes the place of `file` when it is whole and on the disk.

    It stands in a folder of its own, so that nothing which writes it can leave litter elsewhere.
    """
    with tempfile.TemporaryDirectory(suffix=".part", dir=file.parent) as room:
        part = Path(room, file.name)
        part.touch()
        rights = part.stat().st_mode
        yield part
        part.chmod(rights)  # safetensors leaves a file that nobody else may read
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(file)
