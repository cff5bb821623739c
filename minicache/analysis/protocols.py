"""Say, as types, what an analysis asks of a cache and of the model behind it, and what it gives.

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

from collections.abc import Callable, Iterator, Mapping
from typing import (
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
    overload,
    runtime_checkable,
)

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = [
    "Analysis",
    "AttentionWeights",
    "Cached",
    "Labelled",
    "MLPWeights",
    "Method",
    "Model",
    "Norm",
    "Shape",
    "gives_labels",
]

Options = ParamSpec("Options")
Rows = TypeVar("Rows")
RowsGiven = TypeVar("RowsGiven", covariant=True)
Labelled: TypeAlias = tuple[Rows, list[str]]
"""With `return_labels=True`: the rows, and a name for each of them."""


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
    """The sizes that every analysis needs. All others are read off weights and activations."""

    @property
    def n_layers(self) -> int: ...

    @property
    def d_model(self) -> int: ...


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

    def to_single_token(self, string: str) -> int: ...

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


@runtime_checkable
class Method(Protocol[Options, RowsGiven]):
    """An analysis as a method of a cache: `return_labels=True` also gives the labels."""

    @overload
    def __call__(
        self, *args: Any, return_labels: Literal[True], **options: Any
    ) -> Labelled[RowsGiven]: ...

    @overload
    def __call__(self, *args: Options.args, **options: Options.kwargs) -> RowsGiven: ...


@runtime_checkable
class Analysis(Protocol[Options, RowsGiven]):
    """An analysis as a function of a cache, and as what a class binds as its method."""

    @overload
    def __call__(
        self, cache: Cached, /, *args: Any, return_labels: Literal[True], **options: Any
    ) -> Labelled[RowsGiven]: ...

    @overload
    def __call__(
        self, cache: Cached, /, *args: Options.args, **options: Options.kwargs
    ) -> RowsGiven: ...

    def __get__(self, cache: Any, owner: Any, /) -> Method[Options, RowsGiven]: ...


def gives_labels(
    function: Callable[Concatenate[Cached, Options], Rows | Labelled[Rows]],
) -> Analysis[Options, Rows]:
    """The function itself. A type checker learns what it gives with labels, and what without.

    So an analysis writes its signature once. Where labels are asked for, the types of the other
    arguments are not checked.
    """
    return function  # type: ignore[return-value]
