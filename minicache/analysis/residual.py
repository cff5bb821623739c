"""The arithmetic: the residual stream as a running sum, and as a sum of parts.

Every block reads the stream and adds to it. So the stream at any place is the embeddings plus all
that was written before. The functions here take that sum apart, layer by layer. They are free
functions of a cache, and `ActivationCache` binds them as methods. No function changes the cache.

Weights count as constants: results carry no graph back to them, and gradients flow only through a
stack that you hand in. A result is where the cache is, and in its dtype; what starts from a stack
that you hand in stays with that stack. Weights come there as copies, and the model is never moved.
Lessons 4, 5 and 13 tell the story.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minicache.errors import ConfigError
from minicache.names import stream_place
from minicache.slices import Slice, SliceInput

__all__ = [
    "Cached",
    "MaybeLabelled",
    "Stack",
    "accumulated_resid",
    "apply_ln_to_stack",
    "decompose_resid",
]

Stack = Float[Tensor, "component *batch_and_pos d_model"]
MaybeLabelled: TypeAlias = Any
"""A tensor, or with `return_labels=True` the pair (tensor, a name for each of its rows)."""


class Cached(Protocol):
    """What an analysis asks of a cache: entries by address, the model, the batch axis."""

    model: Any
    has_batch_dim: bool

    def __getitem__(self, address: Any, /) -> Tensor: ...

    def __iter__(self) -> Iterator[str]: ...


def accumulated_resid(
    cache: Cached,
    layer: int | None = None,
    incl_mid: bool = False,
    apply_ln: bool = False,
    pos_slice: Slice | SliceInput = None,
    mlp_input: bool = False,
    return_labels: bool = False,
) -> MaybeLabelled:
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
    place = stream_place(layer, n_layers, mlp_input=mlp_input)
    mid = incl_mid and not cache.model.cfg.attn_only
    parts: dict[str, tuple[str, int]] = {}
    for block in range(min(place + 1, n_layers)):
        parts[f"{block}_pre"] = ("resid_pre", block)
        if (mid and block < place) or (mlp_input and block == place):
            parts[f"{block}_mid"] = ("resid_mid", block)
    if place == n_layers:
        parts["final_post"] = ("resid_post", n_layers - 1)
    stack = stack_rows(cache, [cache[address] for address in parts.values()], pos_slice)
    if apply_ln:
        recompute = place == n_layers
        stack = apply_ln_to_stack(cache, stack, place, mlp_input, pos_slice, recompute_ln=recompute)
    return (stack, list(parts)) if return_labels else stack


def decompose_resid(
    cache: Cached,
    layer: int | None = None,
    mlp_input: bool = False,
    mode: Literal["all", "mlp", "attn"] = "all",
    apply_ln: bool = False,
    pos_slice: Slice | SliceInput = None,
    incl_embeds: bool = True,
    return_labels: bool = False,
) -> MaybeLabelled:
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
        raise ConfigError(f"mode={mode!r}: give 'all', 'attn' or 'mlp'.")
    cfg = cache.model.cfg
    place = stream_place(layer, cfg.n_layers, mlp_input=mlp_input)
    writers = [
        writer
        for writer in ("attn", "mlp")
        if mode in ("all", writer) and not (writer == "mlp" and cfg.attn_only)
    ]
    parts: dict[str, Any] = {"embed": "embed", "pos_embed": "pos_embed"} if incl_embeds else {}
    for block in range(place):
        parts |= {f"{block}_{writer}_out": (f"{writer}_out", block) for writer in writers}
    if mlp_input and "attn" in writers:
        parts[f"{place}_attn_out"] = ("attn_out", place)
    stack = stack_rows(cache, [cache[address] for address in parts.values()], pos_slice)
    if apply_ln:
        stack = scale_in_place(cache, stack, place, mlp_input, pos_slice)
    return (stack, list(parts)) if return_labels else stack


def apply_ln_to_stack(
    cache: Cached,
    residual_stack: Stack,
    layer: int | None = None,
    mlp_input: bool = False,
    pos_slice: Slice | SliceInput = None,
    batch_slice: Slice | SliceInput = None,
    has_batch_dim: bool = True,
    recompute_ln: bool = False,
) -> Stack:
    """What each row contributes to the output of the LayerNorm that reads the stream at `layer`.

    A LayerNorm centres its input, divides by the input's scale, and stretches by its weight. With
    the scale that this run had, a constant, that is linear. So the rows' images sum to the image of
    their sum. The LayerNorm's bias is no row's doing and is left out; for logits it is part of
    `attribution.logit_constant`.

    Args:
        layer: The place; None and -1 mean the final LayerNorm.
        mlp_input: The LayerNorm before the MLP of `layer`.
        pos_slice: The positions that the stack already holds; the run's scale is cut to them.
        batch_slice: Taken of the stack and of the run's scale alike.
        has_batch_dim: The stack has a batch axis.
        recompute_ln: Only at the last place: apply `ln_final` to each row with the row's own
            statistics, weight and bias included. For rows that are whole states.

    Raises:
        LayerRangeError: no such place.
        MissingActivationError: the cache does not hold the scale.
    """
    place = stream_place(layer, cache.model.cfg.n_layers, mlp_input=mlp_input)
    if has_batch_dim and batch_slice is not None:
        residual_stack = Slice.of(batch_slice).apply(residual_stack, dim=1)
    if recompute_ln and place == cache.model.cfg.n_layers:
        ln = cache.model.ln_final
        weight, bias = ln.w.detach().to(residual_stack), ln.b.detach().to(residual_stack)
        return F.layer_norm(residual_stack, weight.shape, weight, bias, ln.eps)
    centred = residual_stack - residual_stack.mean(-1, keepdim=True)
    return centred * ln_factor(cache, place, mlp_input, pos_slice, batch_slice).to(residual_stack)


def scale_in_place(
    cache: Cached, stack: Stack, place: int, mlp_input: bool, pos_slice: Slice | SliceInput
) -> Stack:
    """`apply_ln_to_stack` for a stack that is ours alone: a third of the memory traffic."""
    factor = ln_factor(cache, place, mlp_input, pos_slice)
    return stack.sub_(stack.mean(-1, keepdim=True)).mul_(factor)


def ln_factor(
    cache: Cached,
    place: int,
    mlp_input: bool = False,
    pos_slice: Slice | SliceInput = None,
    batch_slice: Slice | SliceInput = None,
) -> Float[Tensor, "*batch_and_pos d_model"]:
    """weight / scale of the LayerNorm that reads the stream at `place`, as it was on this run."""
    scale = ln_scale(cache, place, mlp_input, pos_slice, batch_slice)
    weight: Tensor = ln_at(cache, place, mlp_input).w.detach().to(scale)
    return weight / scale


def ln_at(cache: Cached, place: int, mlp_input: bool = False) -> Any:
    """The LayerNorm that reads the stream at `place`."""
    if place == cache.model.cfg.n_layers:
        return cache.model.ln_final
    return getattr(cache.model.blocks[place], "ln2" if mlp_input else "ln1")


def ln_scale(
    cache: Cached,
    place: int,
    mlp_input: bool = False,
    pos_slice: Slice | SliceInput = None,
    batch_slice: Slice | SliceInput = None,
) -> Float[Tensor, "*batch_and_pos 1"]:
    """What that LayerNorm divided by, on this run."""
    if place == cache.model.cfg.n_layers:
        scale = cache["ln_final.hook_scale"]
    else:
        scale = cache["scale", place, "ln2" if mlp_input else "ln1"]
    scale = Slice.of(pos_slice).apply(scale, dim=-2)
    return Slice.of(batch_slice).apply(scale, dim=0) if cache.has_batch_dim else scale


def carried_back(
    ln: Any, directions: Float[Tensor, "*any d_model"]
) -> Float[Tensor, "*any d_model"]:
    """Directions after a LayerNorm, as directions before it, but for the division by its scale.

    LayerNorm takes x to w * (x - mean(x)) / s. So its output meets a direction d as
    ((w * d) - mean(w * d)) . x / s, because centring x or centring what meets it is the same.
    """
    stretched: Tensor = directions * ln.w.detach().to(directions)
    return stretched - stretched.mean(-1, keepdim=True)


def stack_rows(cache: Cached, rows: list[Tensor], pos_slice: Slice | SliceInput) -> Stack:
    """Stack entries of the stream's shape, at the positions asked for. No rows: an empty stack."""
    positions = Slice.of(pos_slice)
    if not rows:
        return empty_stack(cache, 0, positions)
    return torch.stack([positions.apply(row, dim=-2) for row in rows])


def empty_stack(cache: Cached, components: int, positions: Slice) -> Stack:
    """Unfilled memory for a stack, of the shape, dtype and device that the cache's stream has."""
    ends = ("hook_embed", "resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
    name = next((name for name in cache if name.endswith(ends)), "hook_embed")
    sample = positions.apply(cache[name], dim=-2)
    return sample.new_empty((components, *sample.shape))


def stream_at(
    cache: Cached, place: int, mlp_input: bool = False
) -> Float[Tensor, "*batch pos d_model"]:
    """The stream itself at a place."""
    if place == cache.model.cfg.n_layers:
        return cache["resid_post", place - 1]
    return cache["resid_mid" if mlp_input else "resid_pre", place]
