"""Small harvests for the tests: texts, a model that reads them, and the files that come of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from minicache import HookedTransformer
from minicache.harvest.plan import Plan
from minicache.harvest.run import harvest
from minicache.harvest.shards import survey, write_index
from minicache.model.tokenizers import WordTokenizer
from tests.worlds import random_model

WORDS = ["<pad>", "<bos>", *"a b c d e f g h i".split()]


def some_texts(number: int, seed: int = 0) -> list[str]:
    """Texts of 1 to 12 words, some longer than the model reads."""
    choose = random.Random(seed)
    return [" ".join(choose.choices(WORDS[2:], k=choose.randint(1, 12))) for _ in range(number)]


def reader(words: list[str] = WORDS, seed: int = 0) -> HookedTransformer:
    """A model of one layer that reads these words."""
    model = random_model(1, 1, seed=seed, dtype=torch.float32)
    model.tokenizer = WordTokenizer(words)
    return model


def make(
    folder: Path,
    source: Callable[[], Iterator[str]],
    model: HookedTransformer | None = None,
    names: tuple[str, ...] = ("embed",),
    **plan: Any,
) -> None:
    """A whole harvest, three items a shard."""
    model = model or reader()
    made = Plan.of(model, list(names), **{"items_per_shard": 3, **plan})
    shards = survey(source, folder, made.items_per_shard)
    for _ in harvest(model, source, shards, made):
        pass
    write_index(shards, made, model.cfg)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(Path(folder).rglob("*"))
        if file.is_file()
    }


def rows_by_item(folder: Path) -> list[dict[str, torch.Tensor]]:
    """Every tensor of a harvest, cut into items, in order."""
    items: list[dict[str, torch.Tensor]] = []
    for shard in json.loads((folder / "index.json").read_text())["shards"]:
        tensors = load_file(folder / shard["file"])
        offsets = tensors.pop("offsets").tolist()
        assert len(offsets) == shard["items"] + 1
        assert offsets[-1] == shard["tokens"]
        assert shard["first_item"] == len(items)
        for start, end in pairwise(offsets):
            items.append({name: tensor[start:end] for name, tensor in tensors.items()})
    return items
