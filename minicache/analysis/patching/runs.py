"""Run copies of one input side by side, from the residual stream at a layer on, under hooks.

All of patching asks "what if this run had been otherwise here?", many times over. What comes before
the change is the same each time, so it is computed once; and questions about one layer are stacked
into one batch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from minicache.errors import ConfigError, TokenError
from minicache.hooks import HookFunction
from minicache.names import get_act_name, index_of

__all__ = [
    "Base",
    "Hookable",
    "Metric",
    "Patchable",
    "batches",
    "check_token_tensor",
    "measure",
    "shown",
]

Metric: TypeAlias = Callable[[Float[Tensor, "batch pos d_vocab"]], Float[Tensor, ""]]
Batch: TypeAlias = tuple[int, list[int]]
"""Patches that run together: their layer, and which ones."""
NamedHooks: TypeAlias = Sequence[tuple[str, HookFunction]]

TOKENS_AT_ONCE = 1024


@runtime_checkable
class Patchable(Protocol):
    """What patching asks of a model. One that cannot start at a layer is run from its tokens."""

    cfg: Any

    def forward(self, *args: Any, **kwargs: Any) -> Any: ...

    def run_with_hooks(self, *args: Any, fwd_hooks: Any, **kwargs: Any) -> Any: ...

    def run_with_cache(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]: ...


@runtime_checkable
class Hookable(Protocol):
    """What an ablation asks of a model."""

    cfg: Any

    def hooks(self, fwd_hooks: Any) -> AbstractContextManager[Any]: ...


@dataclass(frozen=True)
class Base:
    """The run that patches go into: its tokens, and its stream before each layer asked for."""

    model: Patchable
    tokens: Int[Tensor, "batch pos"]
    streams: Mapping[int, Float[Tensor, "batch pos d_model"]]

    @classmethod
    def record(
        cls, model: Patchable, tokens: Int[Tensor, "batch pos"], layers: Iterable[int]
    ) -> Base:
        """Run the model once, and keep what later runs start from."""
        # The stream before block 3 is what block 2 left, before hooks at resid_pre change it:
        # they are called again in each run that starts there.
        names = {layer: get_act_name("resid_post", layer - 1) for layer in layers if layer > 0}
        if not names or not accepts(model, "start_at_layer"):
            return cls(model, tokens, {})
        stop = {"stop_at_layer": max(names)} if accepts(model, "stop_at_layer") else {}
        _, cache = model.run_with_cache(tokens, names_filter=list(names.values()), **stop)
        return cls(model, tokens, {layer: cache[name] for layer, name in names.items()})

    def run(self, layer: int, copies: int, hooks: NamedHooks, stop: int | None = None) -> Tensor:
        """Copies of the run, stacked along the batch axis, under hooks at `layer` or later.

        Args:
            stop: The stream before this layer is enough.

        Returns:
            The logits [copies * batch, pos, d_vocab].
        """
        rows = self.streams.get(layer, self.tokens)
        span = {"start_at_layer": layer} if layer in self.streams else {}
        if stop is not None and accepts(self.model, "stop_at_layer"):
            span["stop_at_layer"] = stop
        # cat and not expand: what a hook writes into one copy must not reach the others
        stacked = torch.cat([rows] * copies)
        logits: Tensor = self.model.run_with_hooks(stacked, fwd_hooks=hooks, **span)
        return logits


def accepts(model: Patchable, argument: str) -> bool:
    """Whether the model's forward pass has this argument."""
    return argument in inspect.signature(model.forward).parameters


def batches(
    layers: Sequence[int], tokens: Int[Tensor, "batch pos"], batch_size: int | None
) -> list[Batch]:
    """Which patches run together."""
    most = max(1, TOKENS_AT_ONCE // tokens.shape[1]) if batch_size is None else batch_size
    rows = index_of(most)
    if rows is None or rows < 1:
        raise ConfigError(f"batch_size is the rows to run at once, 1 or more, and not {most!r}.")
    step = max(1, rows // tokens.shape[0])
    plan = []
    for layer in sorted(set(layers)):
        mine = [index for index, other in enumerate(layers) if other == layer]
        plan += [(layer, mine[first : first + step]) for first in range(0, len(mine), step)]
    return plan


def shown(plan: Sequence[Batch], what: str, progress: bool) -> Iterable[Batch]:
    """The batches one after another, with a progress bar if asked for."""
    if not progress:
        return plan
    from rich.progress import track  # imported where it is wanted: it takes 0.05 s

    return track(plan, what)


def check_token_tensor(tokens: object) -> Int[Tensor, "batch pos"]:
    """Tokens as [batch, pos]."""
    if not isinstance(tokens, Tensor) or tokens.ndim not in (1, 2) or tokens.numel() == 0:
        shape = tuple(tokens.shape) if isinstance(tokens, Tensor) else repr(tokens)
        raise TokenError(f"corrupted_tokens are tokens [batch, pos], and not {shape}.")
    return tokens if tokens.ndim == 2 else rearrange(tokens, "pos -> 1 pos")


def measure(metric: Metric, logits: Float[Tensor, "batch pos d_vocab"]) -> Float[Tensor, ""]:
    """What the metric says of one run, as a float."""
    value = torch.as_tensor(metric(logits))
    if value.numel() != 1:
        raise ConfigError(
            f"patching_metric gave {tuple(value.shape)}: it turns the logits [batch, pos, d_vocab] "
            f"into one number. Take the mean over the batch."
        )
    return value.reshape(()).to(torch.promote_types(value.dtype, torch.float32))
