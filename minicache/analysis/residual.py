"""Take the residual stream apart: as a running sum of states, and as a sum of parts.

Every block reads the stream and adds to it. So the stream at any place is the embeddings plus all
that was written before. The functions here take that sum apart, layer by layer. They are free
functions of a cache, and `ActivationCache` binds them as methods. No function changes the cache.

Weights count as constants: results carry no graph back to them, and gradients flow only through a
stack that you hand in. A result is where the cache is, and in its dtype; what starts from a stack
that you hand in stays with that stack. Weights come there as copies, and the model is never moved.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from minicache.analysis.frozen_norm import FrozenNorm, GivenStack, Stack, fit, normalise
from minicache.analysis.labels import Labelled, gives_labels
from minicache.analysis.protocols import Cached
from minicache.errors import ConfigError, shown
from minicache.names import AXES, stream_place
from minicache.slices import Slice, SliceInput

__all__ = ["accumulated_resid", "apply_ln_to_stack", "decompose_resid"]

OF_STREAM: Final = tuple(
    f"hook_{act}" for acts in AXES.values() for act, axes in acts.items() if axes == "pos d_model"
)
"""How the names of activations of the stream's shape end."""


@gives_labels
def accumulated_resid(
    cache: Cached,
    layer: int | None = None,
    incl_mid: bool = False,
    apply_ln: bool = False,
    pos_slice: Slice | SliceInput = None,
    mlp_input: bool = False,
    return_labels: bool = False,
) -> Stack | Labelled[Stack]:
    """The stream itself, as it stood at each place up to `layer`. Each row is a whole state.

    With `apply_ln` at the last place, each state goes through the final LayerNorm with statistics
    of its own: unembed the rows and you have the logit lens [nostalgebraist 2020], which asks "had
    the model stopped here?". `decompose_resid` uses the run's statistics instead, because its rows
    are parts of one state, and parts only add up under one scale.

    Args:
        layer: The last place to take; None and -1 are after all blocks (see `names.stream_place`).
        incl_mid: Also take the stream between attention and MLP of each block passed.
        apply_ln: At the last place, `ln_final` of each row, weight and bias included. At an earlier
            one, the run's scale of the LayerNorm that reads there (see `apply_ln_to_stack`).
        pos_slice: Which positions. An int drops the axis.
        mlp_input: Also take the stream before the MLP of `layer`.
        return_labels: Also return the rows' names: `0_pre`, `0_mid`, .., `final_post`.

    Returns:
        [component, *batch, pos, d_model], new memory.

    Raises:
        LayerRangeError: no such place.
        MissingActivationError: the cache was filled through a filter that left a state out.
    """
    n_layers = cache.model.cfg.n_layers
    place = place_of(cache, layer, mlp_input)
    parts: dict[str, str] = {}
    for block in range(min(place + 1, n_layers)):
        parts[f"{block}_pre"] = f"blocks.{block}.hook_resid_pre"
        mid = f"blocks.{block}.hook_resid_mid"
        wants_mid = incl_mid if block < place else mlp_input
        if wants_mid and mid in cache.model.hook_dict:
            parts[f"{block}_mid"] = mid
    if place == n_layers:
        parts["final_post"] = f"blocks.{n_layers - 1}.hook_resid_post"
    stack = stack_entries(cache, parts.values(), pos_slice)
    if apply_ln and place == n_layers:
        stack = normalise(cache.model.mod_dict["ln_final"], stack)
    elif apply_ln:
        stack = norm_reading(cache, place, pos_slice, mlp_input).apply_(stack)
    return (stack, list(parts)) if return_labels else stack


@gives_labels
def decompose_resid(
    cache: Cached,
    layer: int | None = None,
    mlp_input: bool = False,
    mode: Literal["all", "mlp", "attn"] = "all",
    apply_ln: bool = False,
    pos_slice: Slice | SliceInput = None,
    incl_embeds: bool = True,
    return_labels: bool = False,
) -> Stack | Labelled[Stack]:
    """The stream at a place as a stack of parts: the embeddings, and what each layer wrote.

    A row is exactly what its component added to the stream, its output bias (b_O, b_out) included.
    So with mode "all" and the embeddings, the rows sum to the stream. With `apply_ln` they sum to
    what the LayerNorm there gives, less its bias `b`, which belongs to no component.

    Args:
        layer: The place; None and -1 are after all blocks (see `names.stream_place`).
        mlp_input: The place before the MLP of `layer`: adds that block's attention.
        mode: `"all"`, or only what `"attn"` or only what `"mlp"` layers wrote.
        apply_ln: Scale as the LayerNorm that reads there did on this run (`apply_ln_to_stack`).
        pos_slice: Which positions. An int drops the axis.
        incl_embeds: Begin with the embeddings.
        return_labels: Also return the rows' names: `embed`, `pos_embed`, `0_attn_out`, ..

    Returns:
        [component, *batch, pos, d_model], new memory. With nothing to stack, component is 0.

    Raises:
        ConfigError: an unknown `mode`.
        LayerRangeError: no such place.
        MissingActivationError: the cache was filled through a filter that left a part out.
    """
    if mode not in ("all", "mlp", "attn"):
        raise ConfigError(f"mode={shown(mode)}: give 'all', 'attn' or 'mlp'.")
    place = place_of(cache, layer, mlp_input)
    parts = {"embed": "hook_embed", "pos_embed": "hook_pos_embed"} if incl_embeds else {}
    for block in range(place + mlp_input):
        for writer in ("attn", "mlp"):
            if mode in ("all", writer) and not (writer == "mlp" and block == place):
                parts[f"{block}_{writer}_out"] = f"blocks.{block}.hook_{writer}_out"
    parts = {label: name for label, name in parts.items() if name in cache.model.hook_dict}
    stack = stack_entries(cache, parts.values(), pos_slice)
    if apply_ln:
        stack = norm_reading(cache, place, pos_slice, mlp_input).apply_(stack)
    return (stack, list(parts)) if return_labels else stack


def apply_ln_to_stack(
    cache: Cached,
    residual_stack: GivenStack,
    layer: int | None = None,
    mlp_input: bool = False,
    pos_slice: Slice | SliceInput = None,
    batch_slice: Slice | SliceInput = None,
    has_batch_dim: bool | None = None,
    recompute_ln: bool = False,
) -> Stack:
    """What each row contributes to the output of the LayerNorm that reads the stream at `layer`.

    A LayerNorm centres its input, divides by the input's scale, and stretches by its weight. With
    the scale that this run had, a constant, that is linear (`FrozenNorm`). So the rows' images sum
    to the image of their sum. The LayerNorm's bias belongs to no row and is left out; for logits
    it is part of `attribution.logit_constant`.

    Args:
        layer: The place; None and -1 mean the final LayerNorm.
        mlp_input: The LayerNorm before the MLP of `layer`.
        pos_slice: The positions that the stack already holds; the run's scale is cut to them.
        batch_slice: Taken of the stack and of the run's scale alike.
        has_batch_dim: The stack has a batch axis. None means as the cache. False with an int as
            `batch_slice` means that the stack is of that item alone.
        recompute_ln: Only at the last place: apply `ln_final` to each row with the row's own
            statistics, weight and bias included. For rows that are whole states.

    Raises:
        LayerRangeError: no such place.
        MissingActivationError: the cache does not hold the scale.
        ShapeError: the stack does not fit the cache at these positions and items.
        ArgumentValueError: `has_batch_dim` says otherwise than the cache.
    """
    name = norm_at(cache, place_of(cache, layer, mlp_input), mlp_input)
    if recompute_ln and name == "ln_final":
        items = Slice.of(batch_slice) if has_batch_dim is not False else Slice()
        return normalise(cache.model.mod_dict[name], items.apply(residual_stack, dim=1))
    stack, norm = fit(cache, name, residual_stack, pos_slice, batch_slice, has_batch_dim)
    return norm.apply(stack)


def place_of(cache: Cached, layer: int | None, mlp_input: bool = False) -> int:
    """`stream_place` in this cache's model, whose blocks need not have a place before an MLP."""
    place = stream_place(layer, cache.model.cfg.n_layers, mlp_input=mlp_input)
    if mlp_input and f"blocks.{place}.hook_resid_mid" not in cache.model.hook_dict:
        raise ConfigError(
            f"mlp_input=True with layer={layer}: block {place} of this model has no place between "
            f"attention and MLP."
        )
    return place


def norm_at(cache: Cached, place: int, mlp_input: bool = False) -> str:
    """The name of the normalisation that reads the stream at a place."""
    if place == cache.model.cfg.n_layers:
        return "ln_final"
    return f"blocks.{place}.{'ln2' if mlp_input else 'ln1'}"


def norm_reading(
    cache: Cached, place: int, pos_slice: Slice | SliceInput, mlp_input: bool = False
) -> FrozenNorm:
    """The normalisation that reads the stream at a place, as it was on this run."""
    return FrozenNorm.on_run(cache, norm_at(cache, place, mlp_input), pos_slice)


def stream_at(cache: Cached, place: int) -> Float[Tensor, "*batch pos d_model"]:
    """The stream itself before a block, or after the last."""
    last = place == cache.model.cfg.n_layers
    return cache["resid_post", place - 1] if last else cache["resid_pre", place]


def stack_entries(cache: Cached, names: Iterable[str], pos_slice: Slice | SliceInput) -> Stack:
    """Stack entries of the stream's shape, at the positions asked for. No names: an empty stack."""
    positions = Slice.of(pos_slice)
    rows = [positions.apply(cache[name], dim=-2) for name in names]
    if rows:
        return torch.stack(rows)
    sample = next((name for name in cache if name.endswith(OF_STREAM)), "hook_embed")
    return torch.stack([positions.apply(cache[sample], dim=-2)])[:0]
