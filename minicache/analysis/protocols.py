"""Say, as types, what an analysis asks of a cache and of the model behind it.

`ActivationCache` and `HookedTransformer` satisfy them, and so may any decoder: one whose
normalisations do not centre, whose blocks have no MLP, whose attention shares keys among heads, or
has a normalisation behind it. What a model has is read off `hook_dict`: a block without
`hook_mlp_out` wrote nothing by an MLP. Its parts are asked for by name, in `mod_dict`:

- `ln_final`, `blocks.0.ln1`, `blocks.0.ln2` are a `Norm` each; so are `blocks.0.ln1_post` and
  `ln2_post`, where what attention or MLP wrote goes through one before it is added;
- `blocks.0.attn` has `AttentionWeights`, and `blocks.0.mlp` has `MLPWeights`. A model that has
  none to give, for this block, raises an error that says why when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["AttentionWeights", "Cached", "MLPWeights", "Model", "Norm", "Shape"]


@runtime_checkable
class Norm(Protocol):
    """A LayerNorm (`centred`) or RMSNorm: divide by the scale, then times `w`, plus `b`."""

    w: Float[Tensor, " d_model"]
    b: Float[Tensor, " d_model"]
    eps: float
    centred: bool


@runtime_checkable
class AttentionWeights(Protocol):
    """What takes each head's z to the stream. Each head has its own, also where keys are shared."""

    W_O: Float[Tensor, "head d_head d_model"]
    b_O: Float[Tensor, " d_model"]


@runtime_checkable
class MLPWeights(Protocol):
    """What takes each neuron's activation, `post`, to the stream."""

    W_out: Float[Tensor, "d_mlp d_model"]
    b_out: Float[Tensor, " d_model"]


@runtime_checkable
class Shape(Protocol):
    """The size that every analysis needs. All others are read off weights and activations."""

    @property
    def n_layers(self) -> int: ...


@runtime_checkable
class Model(Protocol):
    """What an analysis asks of a model."""

    @property
    def cfg(self) -> Shape: ...

    @property
    def hook_dict(self) -> Mapping[str, Any]: ...

    @property
    def mod_dict(self) -> Mapping[str, Any]: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def b_U(self) -> Float[Tensor, " d_vocab"]: ...

    def to_token_ids(self, tokens: Any, /) -> Int[Tensor, "*any"]: ...

    def tokens_to_residual_directions(
        self, tokens: Int[Tensor, "*any"], /
    ) -> Float[Tensor, "*any d_model"]: ...


@runtime_checkable
class Cached(Protocol):
    """What an analysis asks of a cache: entries by address, the model, the batch axis."""

    @property
    def model(self) -> Model: ...

    @property
    def has_batch_dim(self) -> bool: ...

    def __getitem__(self, address: Any, /) -> Tensor: ...

    def __iter__(self) -> Iterator[str]: ...
