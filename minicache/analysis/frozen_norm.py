"""Freeze a LayerNorm or RMSNorm at the scale that it had on one run: then it is a linear map.

A normalisation centres its input (RMSNorm does not), divides it by a scale that it computes from
it, and stretches it by its weight. With the scale of one run held fixed, a sum goes to the sum of
the images: that is what lets an analysis take a normalised stream apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minicache.analysis.protocols import Cached, Norm
from minicache.errors import ArgumentValueError, ConfigError, ShapeError
from minicache.slices import Slice, SliceInput, batch_items

__all__ = ["FrozenNorm", "GivenStack", "Stack", "fit", "normalise"]

Stack = Float[Tensor, "component *batch_and_pos d_model"]
GivenStack = Float[Tensor, "component *given d_model"]  # a slice of its batch may follow


@dataclass(frozen=True)
class FrozenNorm:
    """A normalisation as it was on one run: x goes to weight * (x - mean(x)) / scale.

    Its bias belongs to no part of x, so it is never added here.

    Attributes:
        scale: What it divided by on that run.
        centred: The mean over d_model is taken off first. RMSNorm leaves it.
    """

    weight: Float[Tensor, " d_model"]
    bias: Float[Tensor, " d_model"]
    scale: Float[Tensor, "*batch_and_pos 1"]
    centred: bool = True

    @classmethod
    def on_run(
        cls,
        cache: Cached,
        name: str,
        pos_slice: Slice | SliceInput = None,
        batch_slice: Slice | SliceInput = None,
    ) -> FrozenNorm:
        """The normalisation of this name (`"ln_final"`, `"blocks.0.ln1"`), where the cache is.

        Raises:
            MissingActivationError: the cache does not hold its scale.
            ConfigError: the model has no such normalisation.
            BatchSizeError: a slice of the batch, and the cache has no batch axis.
        """
        if name not in cache.model.mod_dict:
            raise ConfigError(f"No normalisation of this model reads the stream at {name!r}.")
        norm: Norm = cache.model.mod_dict[name]
        items = batch_items(batch_slice, cache.has_batch_dim)
        scale = Slice.of(pos_slice).apply(cache[f"{name}.hook_scale"], dim=-2)
        scale = items.apply(scale, dim=0)
        return cls(norm.w.detach().to(scale), norm.b.detach().to(scale), scale, norm.centred)

    def apply(self, stack: Stack) -> Stack:
        """The image of each row, in new memory, where the stack is."""
        return self.apply_(stack.clone())

    def apply_(self, stack: Stack) -> Stack:
        """`apply` in place, for a stack that is the caller's alone: a third of the traffic."""
        if self.centred:
            stack.sub_(stack.mean(-1, keepdim=True))
        return stack.mul_((self.weight / self.scale).to(stack))

    def carry_back(
        self, directions: Float[Tensor, "*any d_model"]
    ) -> Float[Tensor, "*any d_model"]:
        """Directions behind the normalisation, as directions before it, but for the scale.

        A direction d reads w * (x - mean(x)) / s as ((w * d) - mean(w * d)) . x / s, because
        centring x or centring what reads it is the same. Divide what it reads by the scale.
        """
        stretched = directions * self.weight.to(directions)
        return stretched - stretched.mean(-1, keepdim=True) if self.centred else stretched


def normalise(norm: Norm, states: Float[Tensor, "*any d_model"]) -> Float[Tensor, "*any d_model"]:
    """Whole states, each through a normalisation with a scale of its own, bias included."""
    weight, bias = norm.w.detach().to(states), norm.b.detach().to(states)
    if norm.centred:
        return F.layer_norm(states, weight.shape, weight, bias, norm.eps)
    return F.rms_norm(states, weight.shape, weight, norm.eps) + bias


def fit(
    cache: Cached,
    name: str,
    stack: GivenStack,
    pos_slice: Slice | SliceInput,
    batch_slice: Slice | SliceInput,
    has_batch_dim: bool | None,
) -> tuple[Stack, FrozenNorm]:
    """A stack that a caller hands in, its batch sliced, and the normalisation that fits it.

    Raises:
        ArgumentValueError: `has_batch_dim` says otherwise than the cache.
        ShapeError: the stack is of other items, positions or d_model. Nothing is broadcast.
    """
    items = Slice.of(batch_slice)
    norm = FrozenNorm.on_run(cache, name, pos_slice, items)
    batched = cache.has_batch_dim if has_batch_dim is None else has_batch_dim
    # A stack may come with its one item picked already; then only the scale is left to slice.
    if batched != cache.has_batch_dim and (batched or items.mode != "int"):
        raise ArgumentValueError(
            f"has_batch_dim={has_batch_dim} with batch_slice={items}, and the cache's own "
            f"has_batch_dim is {cache.has_batch_dim}. Leave the argument out: the cache knows."
        )
    whole = FrozenNorm.on_run(cache, name, pos_slice) if batched else norm
    wanted = (*whole.scale.shape[:-1], *norm.weight.shape)
    if stack.shape[1:] != wanted:
        raise ShapeError(
            f"The stack has shape {tuple(stack.shape)}; this cache, at pos_slice="
            f"{Slice.of(pos_slice)}, needs (component, {', '.join(map(str, wanted))}). "
            f"Give pos_slice as it was given when the stack was made."
        )
    return (items.apply(stack, dim=1) if batched else stack), norm
