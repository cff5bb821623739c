"""The finer scale: what each head and each neuron wrote to the stream.

An attention layer's output is the sum of its heads' outputs and one bias; an MLP's is the sum of
its neurons' and one bias. So the stream can be taken apart further than `residual.py` does, at a
price: a row of d_model numbers for each head or neuron. Where those rows would only be projected,
`attribution.py` never builds them. Results are where the cache is, and in its dtype. Lesson 14
tells the story.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from minicache.analysis.residual import (
    Cached,
    MaybeLabelled,
    carried_back,
    decompose_resid,
    empty_stack,
    ln_at,
    ln_scale,
    scale_in_place,
    stream_at,
)
from minicache.errors import ConfigError
from minicache.names import block_layer, stream_place
from minicache.slices import Slice, SliceInput

__all__ = [
    "get_full_resid_decomposition",
    "get_neuron_results",
    "stack_head_results",
    "stack_neuron_results",
]

Projection = Float[Tensor, "d_model"] | Float[Tensor, "d_model out"]


def stack_head_results(
    cache: Cached,
    layer: int | None = -1,
    return_labels: bool = False,
    incl_remainder: bool = False,
    pos_slice: Slice | SliceInput = None,
    apply_ln: bool = False,
) -> MaybeLabelled:
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
    cfg, positions = cache.model.cfg, Slice.of(pos_slice)
    place = stream_place(layer, cfg.n_layers)
    labels = [f"L{block}H{head}" for block in range(place) for head in range(cfg.n_heads)]
    stack = empty_stack(cache, len(labels) + incl_remainder, positions)
    for block in range(place):
        z = positions.apply(cache["z", block], dim=-3)
        W_O = cache.model.blocks[block].attn.W_O.detach().to(z)
        rows = stack[block * cfg.n_heads : (block + 1) * cfg.n_heads]
        # The product is written where it belongs: no head's result exists twice.
        torch.bmm(
            rearrange(z, "... head d -> head (...) d"),
            W_O,
            out=rows.view(cfg.n_heads, -1, cfg.d_model),
        )
    if incl_remainder:
        stream = positions.apply(stream_at(cache, place), dim=-2)
        stack[-1] = stream - stack[:-1].sum(0)
        labels.append("remainder")
    if apply_ln:
        stack = scale_in_place(cache, stack, place, False, positions)
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
            meets it first, so no [.., d_mlp, d_model] is built.

    Returns:
        [*batch, pos, neuron, d_model], or [.., neuron] or [.., neuron, out] when projected.

    Raises:
        LayerRangeError: no such block.
        ConfigError: the model has no MLPs.
    """
    if cache.model.cfg.attn_only:
        raise ConfigError("get_neuron_results: this model is attn_only, so it has no neurons.")
    block = block_layer(layer, cache.model.cfg.n_layers)
    neurons = Slice.of(neuron_slice)
    acts = neurons.apply(Slice.of(pos_slice).apply(cache["post", block], dim=-2), dim=-1)
    W_out = neurons.apply(cache.model.blocks[block].mlp.W_out.detach().to(acts), dim=0)
    if project_output_onto is None:
        return acts[..., None] * W_out
    written = W_out @ project_output_onto.to(acts)
    return acts * written if project_output_onto.ndim == 1 else acts[..., None] * written


def stack_neuron_results(
    cache: Cached,
    layer: int | None,
    pos_slice: Slice | SliceInput = None,
    neuron_slice: Slice | SliceInput = None,
    return_labels: bool = False,
    incl_remainder: bool = False,
    apply_ln: bool = False,
    project_output_onto: Projection | None = None,
) -> MaybeLabelled:
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
    cfg, positions, neurons = cache.model.cfg, Slice.of(pos_slice), Slice.unwrap(neuron_slice)
    place = stream_place(layer, cfg.n_layers)
    blocks = range(0 if cfg.attn_only else place)
    picked = neurons.indices(cfg.d_mlp).tolist()
    labels = [f"L{block}N{neuron}" for block in blocks for neuron in picked]
    onto = _before_ln(cache, place, False, project_output_onto, apply_ln)
    neuron_axis = -1 if onto is not None and onto.ndim == 1 else -2
    stack = torch.cat(
        [
            _met(empty_stack(cache, 0, positions), onto),
            *(
                get_neuron_results(cache, block, neurons, positions, onto).movedim(neuron_axis, 0)
                for block in blocks
            ),
        ]
    )
    if incl_remainder:
        stream = _met(positions.apply(stream_at(cache, place), dim=-2), onto)
        stack = torch.cat([stack, (stream - stack.sum(0))[None]])
        labels.append("remainder")
    if apply_ln:
        stack = _after_ln(cache, stack, place, False, positions, onto)
    return (stack, labels) if return_labels else stack


def get_full_resid_decomposition(
    cache: Cached,
    layer: int | None = None,
    mlp_input: bool = False,
    expand_neurons: bool = True,
    apply_ln: bool = False,
    pos_slice: Slice | SliceInput = None,
    return_labels: bool = False,
    project_output_onto: Projection | None = None,
) -> MaybeLabelled:
    """The stream at a place, down to heads and neurons: its rows sum to it.

    Rows, in this order: every head (`L0H0`), every neuron (`L0N0`) or each `0_mlp_out`, `embed`,
    `pos_embed`, and `bias`, the sum of the output biases that no head or neuron owns.

    With `apply_ln` the rows sum to what the LayerNorm gives, less its bias (see `decompose_resid`).

    Args:
        layer: The place; None and -1 are after all blocks (see `names.stream_place`).
        mlp_input: The place before the MLP of `layer`.
        expand_neurons: Neuron by neuron, or layer by layer.
        project_output_onto: [d_model] or [d_model, out]: give every row's product with it, after
            the LayerNorm if that is asked for.

    Returns:
        [component, *batch, pos, d_model] (or out, or no last axis), and the labels if asked for.

    Raises:
        LayerRangeError: no such place.
        MissingActivationError: the cache was filled through a filter that left a part out.
    """
    model, positions = cache.model, Slice.of(pos_slice)
    place = stream_place(layer, model.cfg.n_layers, mlp_input=mlp_input)
    onto = _before_ln(cache, place, mlp_input, project_output_onto, apply_ln)
    blocks = place + mlp_input  # of whose attention the stream at this place has heard
    heads, labels = stack_head_results(cache, blocks, True, pos_slice=positions)
    if expand_neurons:
        mlps, names = stack_neuron_results(
            cache, place, positions, return_labels=True, project_output_onto=onto
        )
    else:
        mlps, names = decompose_resid(
            cache, place, mode="mlp", pos_slice=positions, incl_embeds=False, return_labels=True
        )
        mlps = _met(mlps, onto)
    embeds = decompose_resid(cache, 0, pos_slice=positions)
    bias = model.accumulated_bias(place, mlp_input, include_mlp_biases=expand_neurons).detach()
    biases = bias.to(embeds).expand(1, *embeds.shape[1:])
    stack = torch.cat([_met(heads, onto), mlps, _met(embeds, onto), _met(biases, onto)])
    if apply_ln:
        stack = _after_ln(cache, stack, place, mlp_input, positions, onto)
    labels = [*labels, *names, "embed", "pos_embed", "bias"]
    return (stack, labels) if return_labels else stack


# A projection that follows a LayerNorm is carried back through it, and so is met before it.


def _before_ln(
    cache: Cached, place: int, mlp_input: bool, onto: Projection | None, apply_ln: bool
) -> Projection | None:
    if onto is None:
        return None
    d_model = cache.model.cfg.d_model
    if not isinstance(onto, Tensor) or onto.ndim not in (1, 2) or onto.shape[0] != d_model:
        shape = tuple(onto.shape) if isinstance(onto, Tensor) else type(onto).__name__
        raise ConfigError(
            f"project_output_onto is a tensor [d_model] or [d_model, out] with d_model={d_model}, "
            f"and not {shape}."
        )
    return (
        carried_back(ln_at(cache, place, mlp_input), onto.movedim(0, -1)).movedim(-1, 0)
        if apply_ln
        else onto
    )


def _met(rows: Tensor, onto: Projection | None) -> Tensor:
    return rows if onto is None else rows @ onto.to(rows)


def _after_ln(
    cache: Cached,
    stack: Tensor,
    place: int,
    mlp_input: bool,
    positions: Slice,
    onto: Projection | None,
) -> Tensor:
    if onto is None:
        return scale_in_place(cache, stack, place, mlp_input, positions)
    scale = ln_scale(cache, place, mlp_input, positions)
    return stack / (scale[..., 0] if onto.ndim == 1 else scale)
