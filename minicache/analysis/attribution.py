"""The blame: from parts of the stream to the logits that they cause.

A token's logit is a dot product: the stream, through the final LayerNorm, with the token's column
of W_U. With the run's scale held fixed that is linear, so each part of the stream owns a share of
the logit. This is direct logit attribution [Elhage et al. 2021; Wang et al. 2022].

The shares sum to the logit, less one constant that no part owns, `logit_constant`:

    cache.logit_attrs(cache.decompose_resid(), tokens).sum(0) + cache.logit_constant(tokens)

Results are where their stack is, or the cache, and in its dtype: see `residual.py`. Lessons 5 and
10 tell the story.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor

from minicache.analysis.residual import Cached, MaybeLabelled, Stack, carried_back, ln_scale
from minicache.errors import TokenError
from minicache.names import stream_place
from minicache.slices import Slice, SliceInput

__all__ = ["Tokens", "head_logit_attrs", "logit_attrs", "logit_constant", "neuron_logit_attrs"]

Tokens: TypeAlias = str | int | Int[Tensor, ""] | Int[Tensor, "batch"] | Int[Tensor, "batch pos"]
Attributions = Float[Tensor, "component *batch_and_pos"]


def logit_attrs(
    cache: Cached,
    residual_stack: Stack,
    tokens: Tokens,
    incorrect_tokens: Tokens | None = None,
    pos_slice: Slice | SliceInput = None,
    batch_slice: Slice | SliceInput = None,
    has_batch_dim: bool = True,
) -> Attributions:
    """What each row of a stack adds to the tokens' logits, or to a logit difference.

    The rows go through the final LayerNorm with the run's scale, and meet the tokens' columns of
    W_U. Rows that sum to the stream sum to the logit less `logit_constant`.

    Args:
        residual_stack: [component, *batch, pos, d_model], before any LayerNorm.
        tokens: A word, an id, or ids of [batch] or [batch, pos] ([pos] without a batch axis).
        incorrect_tokens: Tokens of the same shape, whose logits are subtracted.
        pos_slice: The positions that the stack already holds; the run's scale is cut to them.
        batch_slice: Taken of the stack and of the run's scale alike.
        has_batch_dim: The stack has a batch axis.

    Returns:
        [component, *batch, pos].

    Raises:
        TokenError: the tokens do not fit the stack, each other, or the vocabulary.
        MissingActivationError: the cache does not hold the final LayerNorm's scale.
    """
    if has_batch_dim and batch_slice is not None:
        residual_stack = Slice.of(batch_slice).apply(residual_stack, dim=1)
    directions = _directions(cache, tokens, incorrect_tokens, residual_stack.shape[1:-1])
    carried = carried_back(cache.model.ln_final, directions.to(residual_stack))
    scale = ln_scale(cache, cache.model.cfg.n_layers, False, pos_slice, batch_slice)
    met = einsum(residual_stack, carried, "component ... d, ... d -> component ...")
    return met / scale[..., 0].to(met)


def logit_constant(
    cache: Cached,
    tokens: Tokens,
    incorrect_tokens: Tokens | None = None,
    pos_slice: Slice | SliceInput = None,
    batch_slice: Slice | SliceInput = None,
) -> Float[Tensor, "*batch_and_pos"]:
    """The part of the tokens' logits that is nobody's doing: the same on every run.

    It is the final LayerNorm's bias met by the tokens' directions, plus b_U. Add it to the sum of
    all attributions and you have the logits. The arguments are `logit_attrs`'s.

    Returns:
        [*batch, pos], of the shape of one row of attributions. It may be a view with shared memory.
    """
    model = cache.model
    scale = ln_scale(cache, model.cfg.n_layers, False, pos_slice, batch_slice)
    lead = scale.shape[:-1]
    directions = _directions(cache, tokens, incorrect_tokens, lead).to(scale)
    constant: Tensor = directions @ model.ln_final.b.detach().to(scale)
    biases = model.b_U.detach().to(scale)
    constant = constant + biases[_ids(cache, tokens, lead).to(biases.device)]
    if incorrect_tokens is not None:
        constant = constant - biases[_ids(cache, incorrect_tokens, lead).to(biases.device)]
    return constant.expand(lead)


def head_logit_attrs(
    cache: Cached,
    tokens: Tokens,
    incorrect_tokens: Tokens | None = None,
    layer: int | None = -1,
    pos_slice: Slice | SliceInput = None,
    return_labels: bool = False,
) -> MaybeLabelled:
    """What each head adds to the tokens' logits, without building any head's result.

    Equal to `logit_attrs(stack_head_results(layer), tokens)`, by moving brackets:

        share = d . LN(z W_O)                     d: the token's column of W_U
              = d . w (z W_O - mean(z W_O)) / s   the final LayerNorm, its scale s held fixed
              = d' . (z W_O) / s                  d' = w d - mean(w d): carried back through it
              = (W_O d') . z / s                  a product is associative
        so the token's direction goes back to [head, d_head] once, and meets z there.

    Built, the results take n_heads * d_model numbers a position and layer. Here it is n_heads.

    Args:
        layer: Heads of the blocks before this place (see `names.stream_place`).
        return_labels: Also return the rows' names: `L0H0`, ..

    The other arguments, and what is raised, are `logit_attrs`'s. What the heads do not own, b_O and
    the rest of the stream, is missing from their sum as it is from the built stack's.

    Returns:
        [layer * head, *batch, pos]; with `return_labels`, and the labels.
    """
    cfg, positions = cache.model.cfg, Slice.of(pos_slice)
    place = stream_place(layer, cfg.n_layers)
    carried, scale = _carried(cache, tokens, incorrect_tokens, positions)
    result = scale.new_empty((place, cfg.n_heads, *scale.shape))
    for block, rows in enumerate(result):
        z = positions.apply(cache["z", block], dim=-3)
        W_O = cache.model.blocks[block].attn.W_O.detach().to(z)
        reads = einsum(carried, W_O, "... d_model, head d d_model -> ... head d")
        rows.copy_(rearrange((z * reads).sum(-1), "... head -> head ..."))
    result = rearrange(result, "layer head ... -> (layer head) ...").div_(scale)
    labels = [f"L{block}H{head}" for block in range(place) for head in range(cfg.n_heads)]
    return (result, labels) if return_labels else result


def neuron_logit_attrs(
    cache: Cached,
    tokens: Tokens,
    incorrect_tokens: Tokens | None = None,
    layer: int | None = -1,
    pos_slice: Slice | SliceInput = None,
    neuron_slice: Slice | SliceInput = None,
    return_labels: bool = False,
) -> MaybeLabelled:
    """What each neuron adds to the tokens' logits, without building any neuron's result.

    The derivation is `head_logit_attrs`'s with W_out for W_O: the direction goes back to [neuron],
    and meets the activations there. An `attn_only` model has no neurons, and an empty result.

    Args:
        neuron_slice: Which neurons of each block.

    Returns:
        [layer * neuron, *batch, pos]; with `return_labels`, and the labels `L0N0`, ..
    """
    cfg, positions, neurons = cache.model.cfg, Slice.of(pos_slice), Slice.unwrap(neuron_slice)
    place = stream_place(layer, cfg.n_layers)
    carried, scale = _carried(cache, tokens, incorrect_tokens, positions)
    picked = neurons.indices(cfg.d_mlp).tolist()
    blocks = range(0 if cfg.attn_only else place)
    result = scale.new_empty((len(blocks), len(picked), *scale.shape))
    for block, rows in zip(blocks, result, strict=True):
        acts = neurons.apply(positions.apply(cache["post", block], dim=-2), dim=-1)
        W_out = neurons.apply(cache.model.blocks[block].mlp.W_out.detach().to(acts), dim=0)
        reads = einsum(carried, W_out, "... d_model, neuron d_model -> ... neuron")
        rows.copy_(rearrange(acts * reads, "... neuron -> neuron ..."))
    result = rearrange(result, "layer neuron ... -> (layer neuron) ...").div_(scale)
    labels = [f"L{block}N{neuron}" for block in blocks for neuron in picked]
    return (result, labels) if return_labels else result


def _carried(
    cache: Cached, tokens: Tokens, incorrect_tokens: Tokens | None, positions: Slice
) -> tuple[Float[Tensor, "*lead_or_1 d_model"], Float[Tensor, "*batch_and_pos"]]:
    """The tokens' directions, carried back through the final LayerNorm, and its scale."""
    scale = ln_scale(cache, cache.model.cfg.n_layers, False, positions)[..., 0]
    directions = _directions(cache, tokens, incorrect_tokens, scale.shape).to(scale)
    return carried_back(cache.model.ln_final, directions), scale


def _directions(
    cache: Cached, tokens: Tokens, incorrect_tokens: Tokens | None, lead: torch.Size
) -> Float[Tensor, "*lead_or_1 d_model"]:
    """The tokens' columns of W_U, ready to broadcast over a stack's [*batch, pos]."""
    model = cache.model
    ids = _ids(cache, tokens, lead)
    directions: Tensor = model.tokens_to_residual_directions(ids).detach()
    if incorrect_tokens is None:
        return directions
    wrong = _ids(cache, incorrect_tokens, lead)
    if wrong.shape != ids.shape:
        raise TokenError(
            f"tokens and incorrect_tokens have different shapes, {_shown(ids)} and "
            f"{_shown(wrong)}. Give one of each for every place."
        )
    against: Tensor = model.tokens_to_residual_directions(wrong).detach()
    return directions - against


def _ids(cache: Cached, tokens: Tokens, lead: torch.Size) -> Int[Tensor, "*lead_or_1"]:
    """Token ids with an axis for each of the stack's: [batch] becomes [batch, 1]."""
    one = cache.model.to_single_token(tokens) if isinstance(tokens, str) else tokens
    ids = torch.as_tensor(one, device=cache.model.device)
    if ids.ndim > len(lead) or ids.shape != lead[: ids.ndim]:
        raise TokenError(
            f"tokens of shape {_shown(ids)} do not fit a stack of [*batch, pos] {tuple(lead)}. "
            f"Give one token, or one for each item, or one for each item and position."
        )
    return ids.reshape((*ids.shape, *(1 for _ in lead[ids.ndim :])))


def _shown(ids: Tensor) -> str:
    return str(tuple(ids.shape))
