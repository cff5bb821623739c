"""Attribute logits to the parts of the stream that they come from (direct logit attribution).

A token's logit is a dot product: the stream, through the final LayerNorm, with the token's column
of W_U. With the run's scale held fixed that is linear, so each part of the stream has an
attribution, its own term of the logit [Elhage et al. 2021; Wang et al. 2022].

The attributions sum to the logit, less one constant that belongs to no part, `logit_constant`:

    cache.logit_attrs(cache.decompose_resid(), tokens).sum(0) + cache.logit_constant(tokens)

Results are where their stack is, or the cache, and in its dtype: see `residual.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int, Integer
from torch import Tensor

from minicache.analysis.components import Writes, writes_before
from minicache.analysis.frozen_norm import FrozenNorm, GivenStack, fit
from minicache.analysis.labels import Labelled, gives_labels
from minicache.analysis.protocols import Cached
from minicache.analysis.residual import place_of
from minicache.errors import TokenError
from minicache.slices import Slice, SliceInput

__all__ = ["Tokens", "head_logit_attrs", "logit_attrs", "logit_constant", "neuron_logit_attrs"]

Tokens: TypeAlias = str | int | Sequence[str] | Integer[Tensor, "*tokens"]
Attributions = Float[Tensor, "component *batch_and_pos"]


def logit_attrs(
    cache: Cached,
    residual_stack: GivenStack,
    tokens: Tokens,
    incorrect_tokens: Tokens | None = None,
    pos_slice: Slice | SliceInput = None,
    batch_slice: Slice | SliceInput = None,
    has_batch_dim: bool | None = None,
) -> Attributions:
    """What each row of a stack adds to the tokens' logits, or to a logit difference.

    The rows go through the final LayerNorm with the run's scale, then onto the tokens' columns of
    W_U. Rows that sum to the stream sum to the logit less `logit_constant`.

    Args:
        residual_stack: [component, *batch, pos, d_model], before any LayerNorm.
        tokens: A word, an id, ids of [batch] or [batch, pos] ([pos] without a batch axis), or a
            list of words, one for each item of the batch.
        incorrect_tokens: Tokens of the same shape, whose logits are subtracted.
        pos_slice: The positions that the stack already holds; the run's scale is cut to them.
        batch_slice: Taken of the stack and of the run's scale alike.
        has_batch_dim: The stack has a batch axis. None means as the cache. False with an int as
            `batch_slice` means that the stack is of that item alone.

    Returns:
        [component, *batch, pos].

    Raises:
        TokenError: the tokens do not fit the stack, each other, or the vocabulary.
        MissingActivationError: the cache does not hold the final LayerNorm's scale.
        ShapeError: the stack does not fit the cache at these positions and items.
        ArgumentValueError: `has_batch_dim` says otherwise than the cache.
    """
    stack, ln = fit(cache, "ln_final", residual_stack, pos_slice, batch_slice, has_batch_dim)
    directions, _ = _columns(cache, tokens, incorrect_tokens, stack.shape[1:-1])
    read = einsum(
        stack, ln.carry_back(directions.to(stack)), "component ... d, ... d -> component ..."
    )
    return read / ln.scale[..., 0].to(read)


def logit_constant(
    cache: Cached,
    tokens: Tokens,
    incorrect_tokens: Tokens | None = None,
    pos_slice: Slice | SliceInput = None,
    batch_slice: Slice | SliceInput = None,
) -> Float[Tensor, "*batch_and_pos"]:
    """The part of the tokens' logits that belongs to no part of the stream: the same on every run.

    It is the final LayerNorm's bias along the tokens' directions, plus b_U. Add it to the sum of
    all attributions and you have the logits. The arguments are `logit_attrs`'s.

    Returns:
        [*batch, pos], of the shape of one row of attributions.
    """
    ln = FrozenNorm.on_run(cache, "ln_final", pos_slice, batch_slice)
    lead = ln.scale.shape[:-1]
    directions, biases = _columns(cache, tokens, incorrect_tokens, lead)
    constant = directions.to(ln.scale) @ ln.bias + biases.to(ln.scale)
    return constant.expand(lead).contiguous()


@gives_labels
def head_logit_attrs(
    cache: Cached,
    tokens: Tokens,
    incorrect_tokens: Tokens | None = None,
    layer: int | None = -1,
    pos_slice: Slice | SliceInput = None,
    return_labels: bool = False,
) -> Attributions | Labelled[Attributions]:
    """What each head adds to the tokens' logits, without building any head's result.

    Equal to `logit_attrs(stack_head_results(layer), tokens)`, by moving brackets:

        attr = d . LN(z W_O)                     d: the token's column of W_U
             = d . w (z W_O - mean(z W_O)) / s   the final LayerNorm, its scale s held fixed
             = d' . (z W_O) / s                  d' = w d - mean(w d): carried back through it
             = (W_O d') . z / s                  a product is associative
        so the token's direction goes back to [head, d_head] once, for the product with z.

    Built, the results take n_heads * d_model numbers a position and layer. Here it is n_heads.

    Args:
        layer: Heads of the blocks before this place (see `names.stream_place`).
        return_labels: Also return the rows' names: `L0H0`, ..

    The other arguments, and what is raised, are `logit_attrs`'s. What the heads do not own, b_O and
    the rest of the stream, is missing from their sum as it is from the built stack's.

    Returns:
        [layer * head, *batch, pos]; with `return_labels`, and the labels.
    """
    heads = writes_before(cache, place_of(cache, layer), "attn", Slice.of(pos_slice))
    attrs, labels = _attribute(cache, heads, tokens, incorrect_tokens, pos_slice)
    return (attrs, labels) if return_labels else attrs


@gives_labels
def neuron_logit_attrs(
    cache: Cached,
    tokens: Tokens,
    incorrect_tokens: Tokens | None = None,
    layer: int | None = -1,
    pos_slice: Slice | SliceInput = None,
    neuron_slice: Slice | SliceInput = None,
    return_labels: bool = False,
) -> Attributions | Labelled[Attributions]:
    """What each neuron adds to the tokens' logits, without building any neuron's result.

    The derivation is `head_logit_attrs`'s with W_out for W_O: the direction goes back to [neuron],
    for the product with the activations. An `attn_only` model has no neurons, and an empty result.

    Args:
        neuron_slice: Which neurons of each block.

    Returns:
        [layer * neuron, *batch, pos]; with `return_labels`, and the labels `L0N0`, ..
    """
    place = place_of(cache, layer)
    neurons = writes_before(cache, place, "mlp", Slice.of(pos_slice), neuron_slice)
    attrs, labels = _attribute(cache, neurons, tokens, incorrect_tokens, pos_slice)
    return (attrs, labels) if return_labels else attrs


def _attribute(
    cache: Cached,
    parts: list[Writes],
    tokens: Tokens,
    incorrect_tokens: Tokens | None,
    pos_slice: Slice | SliceInput,
) -> Labelled[Attributions]:
    """The attributions of heads or neurons, and their labels. See `head_logit_attrs`."""
    ln = FrozenNorm.on_run(cache, "ln_final", pos_slice)
    scale = ln.scale[..., 0]
    directions, _ = _columns(cache, tokens, incorrect_tokens, scale.shape)
    directions = ln.carry_back(directions.to(scale))
    rows, labels = [scale.new_empty((0, *scale.shape))], []
    for part in parts:
        behind = part.norm.carry_back(directions) if part.norm else directions
        reads = einsum(behind, part.weights.to(behind), "... m, part d m -> ... part d")
        attrs = (part.acts * reads).sum(-1)
        attrs = attrs / part.norm.scale if part.norm else attrs
        rows.append(rearrange(attrs, "... part -> part ...").to(scale))
        labels += part.labels
    return torch.cat(rows).div_(scale), labels


def _columns(
    cache: Cached, tokens: Tokens, incorrect_tokens: Tokens | None, lead: torch.Size
) -> tuple[Float[Tensor, "*lead_or_1 d_model"], Float[Tensor, "*lead_or_1"]]:
    """The tokens' columns of W_U and entries of b_U, less those of the incorrect tokens.

    Both broadcast over a stack's [*batch, pos].
    """
    ids = _ids(cache, tokens, lead)
    directions = cache.model.tokens_to_residual_directions(ids).detach()
    biases = cache.model.b_U.detach()
    if incorrect_tokens is None:
        return directions, biases[ids]
    wrong = _ids(cache, incorrect_tokens, lead)
    if wrong.shape != ids.shape:
        raise TokenError(
            f"tokens and incorrect_tokens have different shapes, {tuple(ids.shape)} and "
            f"{tuple(wrong.shape)}. Give one of each for every place."
        )
    less = cache.model.tokens_to_residual_directions(wrong).detach()
    return directions - less, biases[ids] - biases[wrong]


def _ids(cache: Cached, tokens: Tokens, lead: torch.Size) -> Int[Tensor, "*lead_or_1"]:
    """Token ids with an axis for each of the stack's: [batch] becomes [batch, 1]."""
    ids = cache.model.to_token_ids(tokens)
    if ids.shape != lead[: ids.ndim]:
        raise TokenError(
            f"tokens of shape {tuple(ids.shape)} do not fit a stack of [*batch, pos] "
            f"{tuple(lead)}. Give one token, or one for each item, or one for each item and "
            f"position."
        )
    return ids.reshape((*ids.shape, *(1 for _ in lead[ids.ndim :])))
