"""Take the stream apart into what each head and each neuron wrote.

An attention layer's output is the sum of its heads' outputs and one bias; an MLP's is the sum of
its neurons' and one bias. So the stream can be taken apart further than `residual.py` does, at a
price: a row of d_model numbers for each head or neuron. Where those rows would only be projected,
`attribution.py` never builds them. Results are where the cache is, and in its dtype.

A head multiplies its z by W_O, and a neuron its activation by its row of W_out: a neuron is a head
of one dimension. `Writes` holds either, and all else is written once.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, overload

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from minicache.analysis.frozen_norm import FrozenNorm, Stack
from minicache.analysis.protocols import AttentionWeights, Cached, MLPWeights
from minicache.analysis.residual import (
    Labelled,
    decompose_resid,
    empty_stack,
    norm_at,
    place_of,
    stream_at,
)
from minicache.errors import ConfigError
from minicache.names import block_layer
from minicache.slices import Slice, SliceInput

__all__ = [
    "get_full_resid_decomposition",
    "get_neuron_results",
    "stack_head_results",
    "stack_neuron_results",
]

Projection = Float[Tensor, " d_model"] | Float[Tensor, "d_model out"]
Rows = Float[Tensor, "component *rest"]
"""A stack of the stream's shape; or, when projected, with out for d_model, or no last axis."""


class Writes(NamedTuple):
    """What the heads, or the neurons, of one block write: their activations through their weights.

    Attributes:
        bias: What the layer writes beside, for which no part is responsible.
        norm: What all of it goes through before it is added to the stream, where there is one.
        labels: A name for each part.
    """

    acts: Float[Tensor, "*batch_and_pos part d"]
    weights: Float[Tensor, "part d d_model"]
    bias: Float[Tensor, "*batch_and_pos d_model"]
    norm: FrozenNorm | None
    labels: list[str]


def head_writes(cache: Cached, block: int, positions: Slice) -> Writes:
    """Each head's z, and its slice of W_O."""
    attn: AttentionWeights = cache.model.mod_dict[f"blocks.{block}.attn"]
    labels = [f"L{block}H{head}" for head in range(len(attn.W_O))]  # or says why there are none
    z = positions.apply(cache["z", block], dim=-3)
    return _writes(cache, f"blocks.{block}.ln1_post", positions, z, attn.W_O, attn.b_O, labels)


def neuron_writes(cache: Cached, block: int, positions: Slice, neurons: Slice) -> Writes:
    """The activations of some neurons, and their rows of W_out."""
    mlp: MLPWeights = cache.model.mod_dict[f"blocks.{block}.mlp"]
    picked = neurons.indices(len(mlp.W_out)).tolist()
    post = neurons.apply(positions.apply(cache["post", block], dim=-2), dim=-1)[..., None]
    weights = neurons.apply(mlp.W_out)[:, None]
    labels = [f"L{block}N{neuron}" for neuron in picked]
    return _writes(cache, f"blocks.{block}.ln2_post", positions, post, weights, mlp.b_out, labels)


def _writes(
    cache: Cached,
    norm_behind: str,
    positions: Slice,
    acts: Tensor,
    weights: Tensor,
    bias: Tensor,
    labels: list[str],
) -> Writes:
    weights, bias, norm = weights.detach(), bias.detach().to(acts.device), None
    if norm_behind in cache.model.mod_dict:
        norm = FrozenNorm.on_run(cache, norm_behind, positions)
        bias = norm.apply(bias.to(norm.scale).expand(*norm.scale.shape[:-1], -1)) + norm.bias
    return Writes(acts, weights, bias, norm, labels)


def writers(cache: Cached, writer: str, place: int) -> list[int]:
    """The blocks before a place in which `writer`, `"attn"` or `"mlp"`, writes to the stream."""
    hooks = cache.model.hook_dict
    return [block for block in range(place) if f"blocks.{block}.hook_{writer}_out" in hooks]


@overload
def stack_head_results(
    cache: Cached,
    layer: int | None = -1,
    return_labels: Literal[False] = False,
    incl_remainder: bool = False,
    pos_slice: Slice | SliceInput = None,
    apply_ln: bool = False,
) -> Stack: ...


@overload
def stack_head_results(
    cache: Cached,
    layer: int | None = -1,
    *,
    return_labels: Literal[True],
    incl_remainder: bool = False,
    pos_slice: Slice | SliceInput = None,
    apply_ln: bool = False,
) -> Labelled: ...


def stack_head_results(
    cache: Cached,
    layer: int | None = -1,
    return_labels: bool = False,
    incl_remainder: bool = False,
    pos_slice: Slice | SliceInput = None,
    apply_ln: bool = False,
) -> Stack | Labelled:
    """What each head before a place wrote: its z through its own slice of W_O. No bias.

    Heads and b_O sum to `attn_out`. With the remainder, the rows sum to the stream.

    Args:
        layer: Heads of the blocks before this place (see `names.stream_place`).
        return_labels: Also return the rows' names: `L0H0`, .., `remainder`.
        incl_remainder: End with one row for all the rest of the stream.
        pos_slice: Which positions. An int drops the axis.
        apply_ln: Scale as the LayerNorm at `layer` did on this run (`apply_ln_to_stack`).

    Returns:
        [layer * head, *batch, pos, d_model], new memory; with `return_labels`, and the labels.

    Raises:
        LayerRangeError: no such place.
        MissingActivationError: a z, or what the remainder needs, was not kept.
    """
    place, positions = place_of(cache, layer), Slice.of(pos_slice)
    parts = [head_writes(cache, block, positions) for block in writers(cache, "attn", place)]
    ln = FrozenNorm.on_run(cache, norm_at(cache, place), positions) if apply_ln else None
    stack, labels = _stacked(
        cache, parts, positions, ln, None, _rest(cache, place, incl_remainder, positions)
    )
    return (stack, labels) if return_labels else stack


def get_neuron_results(
    cache: Cached,
    layer: int,
    neuron_slice: Slice | SliceInput = None,
    pos_slice: Slice | SliceInput = None,
    project_output_onto: Projection | None = None,
) -> Tensor:
    """What each neuron of one MLP wrote: its activation times its row of W_out. No bias.

    Args:
        layer: The block; negative counts from the end.
        neuron_slice: Which neurons. An int drops the axis.
        pos_slice: Which positions. An int drops the axis.
        project_output_onto: [d_model] or [d_model, out]: give the results' products with it. W_out
            is multiplied with it first, so no [.., d_mlp, d_model] is built.

    Returns:
        [*batch, pos, neuron, d_model], or [.., neuron] or [.., neuron, out] when projected.

    Raises:
        LayerRangeError: no such block.
        ConfigError: the block has no MLP, or `project_output_onto` is of another shape.
    """
    block = block_layer(layer, cache.model.cfg.n_layers)
    if block not in writers(cache, "mlp", block + 1):
        raise ConfigError(
            f"get_neuron_results: block {block} of this model has no MLP (attn_only), so it has "
            f"no neurons."
        )
    neurons, positions = Slice.of(neuron_slice), Slice.of(pos_slice)
    part = neuron_writes(cache, block, positions, Slice.unwrap(neurons))
    stack, _ = _stacked(cache, [part], positions, None, project_output_onto, {})
    if neurons.mode == "int":
        return stack[0]
    dots = project_output_onto is not None and project_output_onto.ndim == 1
    return stack.movedim(0, -1 if dots else -2)


@overload
def stack_neuron_results(
    cache: Cached,
    layer: int | None,
    pos_slice: Slice | SliceInput = None,
    neuron_slice: Slice | SliceInput = None,
    return_labels: Literal[False] = False,
    incl_remainder: bool = False,
    apply_ln: bool = False,
    project_output_onto: Projection | None = None,
) -> Rows: ...


@overload
def stack_neuron_results(
    cache: Cached,
    layer: int | None,
    pos_slice: Slice | SliceInput = None,
    neuron_slice: Slice | SliceInput = None,
    *,
    return_labels: Literal[True],
    incl_remainder: bool = False,
    apply_ln: bool = False,
    project_output_onto: Projection | None = None,
) -> tuple[Rows, list[str]]: ...


def stack_neuron_results(
    cache: Cached,
    layer: int | None,
    pos_slice: Slice | SliceInput = None,
    neuron_slice: Slice | SliceInput = None,
    return_labels: bool = False,
    incl_remainder: bool = False,
    apply_ln: bool = False,
    project_output_onto: Projection | None = None,
) -> Rows | tuple[Rows, list[str]]:
    """What each neuron before a place wrote. A large stack: layers * d_mlp rows.

    Args:
        layer: Neurons of the blocks before this place (see `names.stream_place`).
        neuron_slice: Which neurons of each block.
        project_output_onto: [d_model] or [d_model, out]; the last axis of the result becomes out,
            or goes away, and no row of d_model numbers is built for a neuron.

    The other arguments, and what is raised, are `stack_head_results`'s. Labels are `L0N0`, ..

    Returns:
        [layer * neuron, *batch, pos, d_model], new memory; with `return_labels`, and the labels.
    """
    place, positions, neurons = (
        place_of(cache, layer),
        Slice.of(pos_slice),
        Slice.unwrap(neuron_slice),
    )
    blocks = writers(cache, "mlp", place)
    parts = [neuron_writes(cache, block, positions, neurons) for block in blocks]
    ln = FrozenNorm.on_run(cache, norm_at(cache, place), positions) if apply_ln else None
    rest = _rest(cache, place, incl_remainder, positions)
    stack, labels = _stacked(cache, parts, positions, ln, project_output_onto, rest)
    return (stack, labels) if return_labels else stack


@overload
def get_full_resid_decomposition(
    cache: Cached,
    layer: int | None = None,
    mlp_input: bool = False,
    expand_neurons: bool = True,
    apply_ln: bool = False,
    pos_slice: Slice | SliceInput = None,
    return_labels: Literal[False] = False,
    project_output_onto: Projection | None = None,
) -> Rows: ...


@overload
def get_full_resid_decomposition(
    cache: Cached,
    layer: int | None = None,
    mlp_input: bool = False,
    expand_neurons: bool = True,
    apply_ln: bool = False,
    pos_slice: Slice | SliceInput = None,
    *,
    return_labels: Literal[True],
    project_output_onto: Projection | None = None,
) -> tuple[Rows, list[str]]: ...


def get_full_resid_decomposition(
    cache: Cached,
    layer: int | None = None,
    mlp_input: bool = False,
    expand_neurons: bool = True,
    apply_ln: bool = False,
    pos_slice: Slice | SliceInput = None,
    return_labels: bool = False,
    project_output_onto: Projection | None = None,
) -> Rows | tuple[Rows, list[str]]:
    """The stream at a place, down to heads and neurons: its rows sum to it.

    Rows, in this order: every head (`L0H0`), every neuron (`L0N0`) or each `0_mlp_out`, `embed`,
    `pos_embed`, and `bias`, the sum of the output biases that no head or neuron owns.

    With `apply_ln` the rows sum to what the LayerNorm gives, less its bias (see `decompose_resid`).

    Args:
        layer: The place; None and -1 are after all blocks (see `names.stream_place`).
        mlp_input: The place before the MLP of `layer`.
        expand_neurons: Neuron by neuron, or layer by layer.
        project_output_onto: [d_model] or [d_model, out]: give every row's product with it, after
            the LayerNorm if that is asked for. It counts as a constant.

    Returns:
        [component, *batch, pos, d_model] (or out, or no last axis), and the labels if asked for.

    Raises:
        LayerRangeError: no such place.
        MissingActivationError: the cache was filled through a filter that left a part out.
        ConfigError: `project_output_onto` is of another shape.
    """
    place, positions = place_of(cache, layer, mlp_input), Slice.of(pos_slice)
    heads = writers(cache, "attn", place + mlp_input)
    neurons = writers(cache, "mlp", place if expand_neurons else 0)
    parts = [head_writes(cache, block, positions) for block in heads]
    parts += [neuron_writes(cache, block, positions, Slice()) for block in neurons]
    whole_mlps = 0 if expand_neurons else place
    rows, names = decompose_resid(
        cache, whole_mlps, mode="mlp", pos_slice=positions, incl_embeds=False, return_labels=True
    )
    embeds, embed_names = decompose_resid(cache, 0, pos_slice=positions, return_labels=True)
    others = dict(zip([*names, *embed_names], [*rows, *embeds], strict=True))
    others["bias"] = sum((part.bias for part in parts), embeds.new_zeros(embeds.shape[-1]))
    ln = FrozenNorm.on_run(cache, norm_at(cache, place, mlp_input), positions) if apply_ln else None
    stack, labels = _stacked(cache, parts, positions, ln, project_output_onto, others)
    return (stack, labels) if return_labels else stack


def _rest(cache: Cached, place: int, wanted: bool, positions: Slice) -> dict[str, Tensor]:
    """The row `remainder`, as `_stacked` takes it: the whole stream, if it is wanted."""
    return {"remainder": positions.apply(stream_at(cache, place), dim=-2)} if wanted else {}


def _stacked(
    cache: Cached,
    parts: list[Writes],
    positions: Slice,
    ln: FrozenNorm | None,
    onto: Projection | None,
    others: dict[str, Tensor],
) -> tuple[Rows, list[str]]:
    """A row for each part, then the others, through `ln` and onto a projection where asked for.

    A projection that follows a normalisation is carried back through it, so that no row of d_model
    numbers is built: what is left is to divide by the scale. Of `remainder`, what the parts wrote
    is taken off.
    """
    sample = empty_stack(cache, 0, positions)
    columns = _columns(cache, onto, ln, sample)
    lead, width = sample.shape[1:-1], sample.shape[-1] if columns is None else columns.shape[-1]
    counts = [len(part.labels) for part in parts]
    stack = sample.new_empty((sum(counts) + len(others), *lead, width))
    *of_parts, of_others = torch.split(stack, [*counts, len(others)])
    for part, rows in zip(parts, of_parts, strict=True):
        read = None if columns is None else _carried(part.norm, columns)
        weights = part.weights.to(stack) if read is None else part.weights.to(stack) @ read
        acts = rearrange(part.acts.to(stack), "... part d -> part (...) d")
        # The product is written where it belongs: no part's result exists twice.
        torch.bmm(acts, weights, out=rows.view(len(rows), lead.numel(), width))
        if part.norm:
            _finish(part.norm, rows, columns)
    for row, other in zip(of_others, others.values(), strict=True):
        row.copy_(other if columns is None else other.to(stack) @ columns)
    if "remainder" in others:
        stack[-1] -= stack[:-1].sum(0)
    if ln:
        _finish(ln, stack, columns)
    labels = [label for part in parts for label in part.labels] + list(others)
    return stack.squeeze(-1) if onto is not None and onto.ndim == 1 else stack, labels


def _columns(
    cache: Cached, onto: Projection | None, ln: FrozenNorm | None, like: Tensor
) -> Float[Tensor, "d_model out"] | None:
    """What rows are multiplied with: the projection, before the normalisation that follows."""
    if onto is None:
        return None
    d_model = cache.model.cfg.d_model
    if not isinstance(onto, Tensor) or onto.ndim not in (1, 2) or onto.shape[0] != d_model:
        shape = tuple(onto.shape) if isinstance(onto, Tensor) else type(onto).__name__
        raise ConfigError(
            f"project_output_onto is a tensor [d_model] or [d_model, out] with d_model={d_model}, "
            f"and not {shape}."
        )
    return _carried(ln, onto.detach().to(like).reshape(d_model, -1))


def _carried(norm: FrozenNorm | None, columns: Tensor) -> Float[Tensor, "d_model out"]:
    return norm.carry_back(columns.T).T if norm else columns


def _finish(norm: FrozenNorm, rows: Tensor, columns: Tensor | None) -> None:
    if columns is None:
        norm.apply_(rows)
    else:
        rows.div_(norm.scale.to(rows))
