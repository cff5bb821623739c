"""Plan a harvest: the model, the activations and the settings that decide its files' bytes.

Two harvests with the same plan over the same texts write the same bytes. So a harvest may be
resumed in a folder if its plan equals the plan of the shards there.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch

from minicache.errors import ConfigError, UnknownActivationError, nearest
from minicache.model import HookedTransformer
from minicache.model.config import HookedTransformerConfig
from minicache.model.tokenizers import HubTokenizer, Tokenizer
from minicache.names import axes_of, get_act_name

__all__ = ["Plan", "bytes_a_token", "row_shape"]

DTYPES: Final = ("float32", "float64", "bfloat16", "float16")


@dataclass(frozen=True)
class Plan:
    """Everything that decides the bytes of a shard, except its texts.

    Attributes:
        model: A hash of the model's configuration and weights.
        tokenizer: A hash of the tokenizer's rules.
        names: The activations, by full name, in the model's order.
        pos: The most tokens of an item. Longer items are cut off there.
        batch: How many items are run at once. The last bits of the results depend on it.
        items_per_shard: How many items a shard has. Their activations are in memory at once, and
            are computed again if the process is killed.
        dtype: The dtype of the activations in the files.
    """

    model: str
    tokenizer: str
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
        """Make a plan for this model, and check it.

        Args:
            names: As in `cache[name]`, or patterns such as `blocks.*.hook_resid_post`.
            pos: The most tokens of an item. None means n_ctx.

        Raises:
            UnknownActivationError: no activation has this name or matches this pattern.
            ConfigError: a number is out of its range, or the dtype is not one of `DTYPES`.
        """
        n_ctx = model.cfg.n_ctx
        pos = n_ctx if pos is None else pos
        for name, value in {"batch": batch, "items_per_shard": items_per_shard}.items():
            if value < 1:
                raise ConfigError(f"{name}={value}: give 1 or more.")
        if not 1 <= pos <= n_ctx:
            raise ConfigError(f"pos={pos}: give 1 to {n_ctx}, the model's n_ctx.")
        if dtype not in DTYPES:
            raise ConfigError(f"dtype={dtype!r}: give one of {', '.join(DTYPES)}.")
        matches = {match for name in names for match in _match_names(model, name)}
        return cls(
            _hash_model(model),
            _hash_tokenizer(model.tokenizer, model.cfg.d_vocab),
            tuple(name for name in model.hook_dict if name in matches),
            pos,
            batch,
            items_per_shard,
            dtype,
        )

    def as_json(self) -> dict[str, Any]:
        """Return the plan as a dictionary for JSON: tuples become lists."""
        return {**asdict(self), "names": list(self.names)}


def row_shape(cfg: HookedTransformerConfig, name: str, pos: int) -> tuple[int, ...]:
    """Return the shape of one token's row of an activation.

    For attention patterns and scores, a row is a query's, with `pos` keys.
    """
    sizes = {"key": pos, "1": 1, **vars(cfg), "head": cfg.n_heads}
    return tuple(sizes[axis] for axis in axes_of(name) if axis not in ("pos", "query"))


def bytes_a_token(
    cfg: HookedTransformerConfig, names: tuple[str, ...], pos: int, dtype: str = "float32"
) -> int:
    """Compute the bytes of one token's activations on the disk.

    A shard also has 8 bytes for each token's id, and 8 for each item's offset.
    """
    numbers = sum(math.prod(row_shape(cfg, name, pos)) for name in names)
    size: int = getattr(torch, dtype).itemsize
    return numbers * size


def _match_names(model: HookedTransformer, name: str) -> list[str]:
    pattern = name if set(name) & set("*?[") else get_act_name(name)
    if matches := fnmatch.filter(model.hook_dict, pattern):
        return matches
    hint = nearest(pattern, model.hook_dict)
    raise UnknownActivationError(f"This model has no activation {pattern!r}.{hint}")


def _hash_model(model: HookedTransformer) -> str:
    digest = hashlib.sha256(json.dumps(model.config_dict(), sort_keys=True).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _hash_tokenizer(tokenizer: Tokenizer | None, d_vocab: int) -> str:
    if tokenizer is None:
        return "none"
    if isinstance(tokenizer, HubTokenizer):
        rules = tokenizer.tokenizer.to_str()  # the whole tokenizer.json
    else:
        rules = json.dumps([tokenizer.decode([token]) for token in range(d_vocab)])
    description = f"{type(tokenizer).__name__} {tokenizer.bos_token_id} {rules}"
    return hashlib.sha256(description.encode()).hexdigest()
