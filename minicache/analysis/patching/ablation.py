"""Ablation: run a model without some heads, neurons or layers, and see what it needs.

What a part wrote is replaced by something that says nothing about this input: its mean over many
inputs, zero, or what it wrote on another input. The mean is the mildest: zero is a value that the
model may never have met, so it breaks things that the part does not do [Wang et al. 2022; Chan et
al. 2022].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

from minicache.analysis.patching.runs import Hookable, Patchable
from minicache.analysis.protocols import Cached
from minicache.errors import BatchSizeError, ConfigError, LayerRangeError, UnknownActivationError
from minicache.names import block_layer, get_act_name

__all__ = ["ablate"]

_UNIT = re.compile(r"L(\d+)([HN])(\d+)")
_LAYER = re.compile(r"(\d+)_(attn_out|mlp_out)")


@contextmanager
def ablate(
    model: Hookable,
    parts: str | Sequence[str],
    how: Literal["mean", "zero", "resample"] = "mean",
    cache: Cached | None = None,
    *,
    seed: int = 0,
) -> Iterator[None]:
    """Run without some parts, for the length of a `with` block.

    It is a context of hooks, so it combines with other hooks, with caches, sweeps and gradients.
    On leaving, by any road, its hooks come off, and no others.

    Args:
        parts: Labels as the decompositions give them: heads `L0H1`, neurons `L2N17`, whole layers
            `1_attn_out` or `1_mlp_out`, and `embed`, `pos_embed`. One, or several of any layers.
        how: `"mean"`, per position over the items of `cache`; `"zero"`; or `"resample"`, where
            item i gets what the part wrote on another item of `cache`.
        cache: A run of other inputs, with positions that mean the same. Not for `"zero"`.
        seed: Which other item, for `"resample"`. No item gets its own.

    Examples:
        >>> _, many = model.run_with_cache(prompts)
        >>> with ablate(model, ["L0H1", "1_mlp_out"], "mean", many):
        ...     logits = model(prompts)

    Raises:
        UnknownActivationError: a part's label says nothing, or the model has no such part.
        LayerRangeError: the model has no such layer.
        ConfigError: `how` is unknown, or `cache` is missing or not needed.
        BatchSizeError: the cache has fewer than two items, or other shapes than the run.
    """
    picked = _pick_heads(model, [parts] if isinstance(parts, str) else parts)
    if how not in ("mean", "zero", "resample"):
        raise ConfigError(f"how={how!r}: ablate with 'mean', 'zero' or 'resample'.")
    if (cache is None) != (how == "zero"):
        raise ConfigError(f"how={how!r} {'needs a' if cache is None else 'takes no'} cache.")
    hooks = [
        (name, _replace(where, None if cache is None else _values(cache, name, how, seed)))
        for name, where in picked.items()
    ]
    with model.hooks(fwd_hooks=hooks):
        yield


def _pick_heads(model: Hookable, parts: Sequence[str]) -> dict[str, list[int]]:
    """Hook points, and for each the heads or neurons there; none listed is everything."""
    picked: dict[str, list[int]] = {}
    for part in parts:
        name, index = _place(model, part)
        picked.setdefault(name, []).extend([] if index is None else [index])
    if not picked:
        raise ConfigError("ablate needs at least one part: 'L0H1', '1_mlp_out', ..")
    return picked


def heads_by_layer(model: Hookable | Patchable, labels: Sequence[str]) -> dict[int, list[int]]:
    """Heads, given as `L2H0`, by layer, from the first on.

    Raises:
        UnknownActivationError: one is no head.
        LayerRangeError: the model has no such layer, or the layer no such head.
    """
    heads: dict[int, list[int]] = {}
    for label in labels:
        found = _UNIT.fullmatch(str(label))
        if isinstance(labels, str) or not found or found[2] != "H":
            raise UnknownActivationError(f"A list of heads, such as ['L2H0'], and not {labels!r}.")
        _place(model, label)
        heads.setdefault(int(found[1]), []).append(int(found[3]))
    if not heads:
        raise UnknownActivationError("A list of at least one head, such as ['L2H0'].")
    return dict(sorted(heads.items()))


def _place(model: Hookable | Patchable, part: str) -> tuple[str, int | None]:
    """A part's hook point, and its index there."""
    cfg = model.cfg
    if part in ("embed", "pos_embed"):
        return get_act_name(part), None
    if found := _LAYER.fullmatch(str(part)):
        return get_act_name(found[2], block_layer(int(found[1]), cfg.n_layers)), None
    if not (found := _UNIT.fullmatch(str(part))):
        raise UnknownActivationError(
            f"No part is called {part!r}. Known: heads 'L0H1', neurons 'L0N17', layers "
            f"'0_attn_out' and '0_mlp_out', 'embed' and 'pos_embed'."
        )
    layer, index = block_layer(int(found[1]), cfg.n_layers), int(found[3])
    name, most = ("z", cfg.n_heads) if found[2] == "H" else ("post", cfg.d_mlp)
    if index >= most:
        what = "heads" if name == "z" else "neurons"
        raise LayerRangeError(f"{part!r} was asked for; a layer has {most} {what}, from 0.")
    return get_act_name(name, layer), index


def _values(cache: Cached, name: str, how: str, seed: int) -> Tensor:
    source = cache[name].detach()
    items = source.shape[0] if cache.has_batch_dim else 1
    if items < 2:
        raise BatchSizeError(
            f"how={how!r} needs a cache of several items, and this one holds {items}: "
            f"run more prompts, and leave the cache its batch axis."
        )
    if how == "mean":
        return source.mean(0, keepdim=True)
    cycle = torch.randperm(items, generator=torch.Generator().manual_seed(seed))
    other = torch.empty_like(cycle)
    other[cycle] = cycle.roll(1)  # each item's turn goes to the next one of a single cycle
    return source[other.to(source.device)]


def _replace(where: list[int], values: Tensor | None) -> Callable[..., Tensor]:
    # Heads of z [batch, pos, head, d_head] and neurons of post [batch, pos, d_mlp]: axis 2 of both
    place = (slice(None),) * 2 + (where or slice(None),)

    def hook(activation: Tensor, hook: object) -> Tensor:
        changed = activation.clone()
        changed[place] = 0 if values is None else _tile(values, activation)[place].to(activation)
        return changed

    return hook


def _tile(values: Tensor, activation: Tensor) -> Tensor:
    """Values for each row of a run, which may stack its items several times, as a sweep does."""
    copies, rest = divmod(activation.shape[0], values.shape[0])
    if rest or values.shape[1:] != activation.shape[1:]:
        raise BatchSizeError(
            f"The run has an activation of shape {tuple(activation.shape)}, and ablate's cache "
            f"gives {tuple(values.shape)}: use prompts of the same length, and for 'resample' as "
            f"many of them."
        )
    return values.repeat(copies, *(1,) * (values.ndim - 1))
