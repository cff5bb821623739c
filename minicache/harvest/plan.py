"""Plan a harvest: all that decides the bytes of its files, except the texts.

Two harvests with one plan over the same texts write the same bytes, so a plan is what a resumed
harvest is compared with.
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
    """All that decides the bytes of a shard, except its texts.

    Attributes:
        model: A hash of its configuration and weights.
        tokenizer: A hash of what turns the texts into tokens.
        names: The activations, by full name, in the model's order.
        pos: The most tokens of an item; the rest of a longer one is cut off.
        batch: Items run at once. The last bits of the results depend on it.
        items_per_shard: Items whose activations are in memory at once. If the process is killed,
            these are computed again.
        dtype: Of the activations in the files.
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
        """A plan for this model, checked.

        Args:
            names: As in `cache[name]`, or patterns such as `blocks.*.hook_resid_post`.
            pos: None means the model's whole context.

        Raises:
            UnknownActivationError: no activation has this name, or fits this pattern.
            ConfigError: a number is out of its range, or the dtype is not one of `DTYPES`.
        """
        most = model.cfg.n_ctx
        pos = most if pos is None else pos
        for what, value in {"batch": batch, "items_per_shard": items_per_shard, "pos": pos}.items():
            if value < 1 or (what == "pos" and value > most):
                raise ConfigError(f"{what}={value}: give 1 or more; the model's n_ctx is {most}.")
        if dtype not in DTYPES:
            raise ConfigError(f"dtype={dtype!r}: give {', '.join(DTYPES)}.")
        picked = {found for name in names for found in _match_names(model, name)}
        in_order = tuple(name for name in model.hook_dict if name in picked)
        return cls(
            _hash_model(model),
            _hash_tokenizer(model.tokenizer, model.cfg.d_vocab),
            in_order,
            pos,
            batch,
            items_per_shard,
            dtype,
        )

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON stores it: with lists for tuples."""
        return {**asdict(self), "names": list(self.names)}


def row_shape(cfg: HookedTransformerConfig, name: str, pos: int) -> tuple[int, ...]:
    """The shape of one token's row of an activation.

    In a pattern or its scores, a row is one query's, with `pos` keys.
    """
    sizes = {"key": pos, "1": 1, **vars(cfg), "head": cfg.n_heads}
    return tuple(sizes[axis] for axis in axes_of(name) if axis not in ("pos", "query"))


def bytes_a_token(
    cfg: HookedTransformerConfig, names: tuple[str, ...], pos: int, dtype: str = "float32"
) -> int:
    """The bytes that one token takes on the disk: the numbers in its rows, times their size.

    The tokens and offsets beside them take 8 bytes a token, and 8 an item.
    """
    numbers = sum(math.prod(row_shape(cfg, name, pos)) for name in names)
    size: int = getattr(torch, dtype).itemsize
    return numbers * size


def _match_names(model: HookedTransformer, name: str) -> list[str]:
    pattern = name if set(name) & set("*?[") else get_act_name(name)
    if found := fnmatch.filter(model.hook_dict, pattern):
        return found
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
    what = f"{type(tokenizer).__name__} {tokenizer.bos_token_id} {rules}"
    return hashlib.sha256(what.encode()).hexdigest()
