"""Take the stream apart into what each head and each neuron wrote.

An attention layer's output is the sum of its heads' outputs and one bias; an MLP's is the sum of
its neurons' and one bias. So the stream can be taken apart further than `residual.py` does, at a
price: a row of d_model numbers for each head or neuron. Where those rows would only be projected,
`attribution.py` never builds them. Results are where the cache is, and in its dtype.

A head multiplies its z by W_O, and a neuron its activation by its row of W_out: a neuron is a head
of one dimension. `Writes` holds either, and all else is written once.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from minicache.analysis.frozen_norm import FrozenNorm, Stack
from minicache.analysis.labels import Labelled, gives_labels
from minicache.analysis.protocols import AttentionWeights, Cached, MLPWeights
from minicache.analysis.residual import (
    decompose_resid,
    norm_reading,
    place_of,
    stack_entries,
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
    bias, norm = _through_norm(cache, f"blocks.{block}.ln1_post", positions, attn.b_O.detach())
    return Writes(z, attn.W_O.detach(), bias, norm, labels)


def neuron_writes(cache: Cached, block: int, positions: Slice, neurons: Slice) -> Writes:
    """The activations of some neurons, and their rows of W_out."""
    mlp: MLPWeights = cache.model.mod_dict[f"blocks.{block}.mlp"]
    picked = neurons.indices(len(mlp.W_out)).tolist()
    post = neurons.apply(positions.apply(cache["post", block], dim=-2), dim=-1)[..., None]
    weights = neurons.apply(mlp.W_out)[:, None]
    labels = [f"L{block}N{neuron}" for neuron in picked]
    bias, norm = _through_norm(cache, f"blocks.{block}.ln2_post", positions, mlp.b_out.detach())
    return Writes(post, weights.detach(), bias, norm, labels)


def _through_norm(
    cache: Cached, name: str, positions: Slice, bias: Float[Tensor, " d_model"]
) -> tuple[Float[Tensor, "*batch_and_pos d_model"], FrozenNorm | None]:
    """What a layer's bias adds to the stream, and the normalisation behind the layer, if any."""
    if name not in cache.model.mod_dict:
        return bias, None
    norm = FrozenNorm.on_run(cache, name, positions)
    return norm.apply(bias.to(norm.scale).expand(*norm.scale.shape[:-1], -1)) + norm.bias, norm


def writes_before(
    cache: Cached,
    place: int,
    writer: Literal["attn", "mlp"],
    positions: Slice,
    neuron_slice: Slice | SliceInput = None,
) -> list[Writes]:
    """What the heads, or some neurons, of each block before a place wrote to the stream."""
    hooks = cache.model.hook_dict
    blocks = [block for block in range(place) if f"blocks.{block}.hook_{writer}_out" in hooks]
    if writer == "attn":
        return [head_writes(cache, block, positions) for block in blocks]
    neurons = Slice.unwrap(neuron_slice)
    return [neuron_writes(cache, block, positions, neurons) for block in blocks]


@gives_labels
def stack_head_results(
    cache: Cached,
    layer: int | None = -1,
    return_labels: bool = False,
    incl_remainder: bool = False,
    pos_slice: Slice | SliceInput = None,
    apply_ln: bool = False,
) -> Stack | Labelled[Stack]:
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
    parts = writes_before(cache, place, "attn", positions)
    ln = norm_reading(cache, place, positions) if apply_ln else None
    rest = _rest(cache, place, positions) if incl_remainder else {}
    stack, labels = _stacked(cache, parts, rest, positions, ln)
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
    if f"blocks.{block}.hook_mlp_out" not in cache.model.hook_dict:
        raise ConfigError(
            f"get_neuron_results: block {block} of this model has no MLP (attn_only), so it has "
            f"no neurons."
        )
    neurons, positions = Slice.of(neuron_slice), Slice.of(pos_slice)
    part = neuron_writes(cache, block, positions, Slice.unwrap(neurons))
    stack, _ = _stacked(cache, [part], {}, positions, onto=project_output_onto)
    if neurons.mode == "int":
        return stack[0]
    dots = project_output_onto is not None and project_output_onto.ndim == 1
    return stack.movedim(0, -1 if dots else -2)


@gives_labels
def stack_neuron_results(
    cache: Cached,
    layer: int | None,
    pos_slice: Slice | SliceInput = None,
    neuron_slice: Slice | SliceInput = None,
    return_labels: bool = False,
    incl_remainder: bool = False,
    apply_ln: bool = False,
    project_output_onto: Projection | None = None,
) -> Rows | Labelled[Rows]:
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
    place, positions = place_of(cache, layer), Slice.of(pos_slice)
    parts = writes_before(cache, place, "mlp", positions, neuron_slice)
    ln = norm_reading(cache, place, positions) if apply_ln else None
    rest = _rest(cache, place, positions) if incl_remainder else {}
    stack, labels = _stacked(cache, parts, rest, positions, ln, project_output_onto)
    return (stack, labels) if return_labels else stack


@gives_labels
def get_full_resid_decomposition(
    cache: Cached,
    layer: int | None = None,
    mlp_input: bool = False,
    expand_neurons: bool = True,
    apply_ln: bool = False,
    pos_slice: Slice | SliceInput = None,
    return_labels: bool = False,
    project_output_onto: Projection | None = None,
) -> Rows | Labelled[Rows]:
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
    parts = writes_before(cache, place + mlp_input, "attn", positions)
    parts += writes_before(cache, place if expand_neurons else 0, "mlp", positions)
    rows, names = decompose_resid(
        cache, 0 if expand_neurons else place, mode="mlp", pos_slice=positions, return_labels=True
    )
    mlps_first = sorted(zip(names, rows, strict=True), key=lambda row: "embed" in row[0])
    others: dict[str, Tensor] = dict(mlps_first)
    bias = stack_entries(cache, (), positions).sum(0)
    others["bias"] = sum((part.bias.to(bias) for part in parts), bias)
    ln = norm_reading(cache, place, positions, mlp_input) if apply_ln else None
    stack, labels = _stacked(cache, parts, others, positions, ln, project_output_onto)
    return (stack, labels) if return_labels else stack


def _rest(cache: Cached, place: int, positions: Slice) -> dict[str, Tensor]:
    """The whole stream, as the row from which `_stacked` takes off what all others wrote."""
    return {"remainder": positions.apply(stream_at(cache, place), dim=-2)}


def _stacked(
    cache: Cached,
    parts: list[Writes],
    others: dict[str, Tensor],
    positions: Slice,
    ln: FrozenNorm | None = None,
    onto: Projection | None = None,
) -> Labelled[Rows]:
    """A row for each part, then the others, through `ln` and onto a projection where asked for.

    A projection that follows a normalisation is carried back through it, so that no row of d_model
    numbers is built: what is left is to divide by the scale. Of `remainder`, what the parts wrote
    is taken off.
    """
    sample = stack_entries(cache, (), positions)
    reads = None if onto is None else _reads(onto, sample, ln)
    lead, width = sample.shape[1:-1], sample.shape[-1] if reads is None else len(reads)
    counts = [len(part.labels) for part in parts]
    stack = sample.new_empty((sum(counts) + len(others), *lead, width))
    *of_parts, of_others = torch.split(stack, [*counts, len(others)])
    for part, rows in zip(parts, of_parts, strict=True):
        acts = rearrange(part.acts.to(stack), "... part d -> part (...) d")
        weights = part.weights.to(stack)
        if reads is not None:
            weights = weights @ (part.norm.carry_back(reads) if part.norm else reads).T
        # The product is written where it belongs: no part's result exists twice.
        torch.bmm(acts, weights, out=rows.view(len(rows), lead.numel(), width))
        if part.norm:
            _finish(part.norm, rows, reads)
    for row, other in zip(of_others, others.values(), strict=True):
        row.copy_(other if reads is None else other.to(stack) @ reads.T)
    if "remainder" in others:
        stack[-1] -= stack[:-1].sum(0)
    if ln:
        _finish(ln, stack, reads)
    labels = [label for part in parts for label in part.labels] + list(others)
    return stack.squeeze(-1) if onto is not None and onto.ndim == 1 else stack, labels


def _reads(onto: Projection, like: Stack, ln: FrozenNorm | None) -> Float[Tensor, "out d_model"]:
    """The directions that rows are multiplied with, as they are before the normalisation."""
    d_model = like.shape[-1]
    if not isinstance(onto, Tensor) or onto.ndim not in (1, 2) or onto.shape[0] != d_model:
        shape = tuple(onto.shape) if isinstance(onto, Tensor) else type(onto).__name__
        raise ConfigError(
            f"project_output_onto is a tensor [d_model] or [d_model, out] with d_model={d_model}, "
            f"and not {shape}."
        )
    directions = onto.detach().to(like).reshape(d_model, -1).T
    return ln.carry_back(directions) if ln else directions


def _finish(norm: FrozenNorm, rows: Tensor, reads: Tensor | None) -> None:
    if reads is None:
        norm.apply_(rows)
    else:
        rows.div_(norm.scale.to(rows))
