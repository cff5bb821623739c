"""The scales: what autodiff holds on to, weighed exactly, and predicted from the architecture.

To run backward, autograd keeps tensors of the forward pass: each operation's inputs or outputs, as
its derivative needs them. `saved_for_backward` weighs what one call keeps, to the byte.
`predict_saved_bytes` says the same figure without a run. `python -m minicache memory` tries six
other methods against these. Lesson 7 tells the story.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode

from minicache.guards import ConfigError
from minicache.hook_point import HookPoint
from minicache.layers import HookedTransformerConfig
from minicache.live import LiveBytes, storage_id

__all__ = [
    "Saved",
    "SavedBytes",
    "predict_saved_bytes",
    "saved_for_backward",
]


@dataclass(frozen=True)
class Saved:
    """One storage that the graph holds.

    Attributes:
        operation: The first operation that saved it, as torch calls it: `"softmax"`.
        module: The module that ran the operation, by its name in its model: `"blocks.0.attn"`.
        activations: The hook points that it passed: a cache that keeps those costs nothing more.
        shape: Of the tensor as it was saved. Its storage may be larger.
        bytes: Of the whole storage, because the whole storage stays.
        kind: `"activation"` was made by the call. `"parameter"` and `"input"` were there before.
    """

    operation: str
    module: str
    activations: tuple[str, ...]
    shape: tuple[int, ...]
    bytes: int
    kind: Literal["activation", "parameter", "input"]


@dataclass(frozen=True)
class SavedBytes:
    """What one call's graph holds, each storage once, in the order in which it was saved.

    Attributes:
        saved: The storages.
        shared: Bytes of each cached activation that the graph holds anyway, by hook point.
        extra: Bytes of each activation that only a cache would hold. Of two hook points that show
            one storage, the first counts.
    """

    saved: tuple[Saved, ...]
    shared: dict[str, int]
    extra: dict[str, int]

    @property
    def total(self) -> int:
        """Bytes that would not be there without the graph: those of kind `"activation"`."""
        return self._of_kind("activation")

    @property
    def parameters(self) -> int:
        """Bytes of parameters that the graph refers to. They are there anyway."""
        return self._of_kind("parameter")

    @property
    def inputs(self) -> int:
        """Bytes of other tensors from before the call that the graph refers to, such as tokens."""
        return self._of_kind("input")

    def by_operation(self) -> dict[str, int]:
        """`total`, operation by operation, the largest first."""
        return self._grouped(lambda one: one.operation)

    def by_module(self) -> dict[str, int]:
        """`total`, module by module, the largest first."""
        return self._grouped(lambda one: one.module)

    def _of_kind(self, kind: str) -> int:
        return sum(one.bytes for one in self.saved if one.kind == kind)

    def _grouped(self, key: Callable[[Saved], str]) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for one in self.saved:
            if one.kind == "activation":
                counts[key(one)] += one.bytes
        return dict(counts.most_common())


def saved_for_backward(fn: Callable[[], Any]) -> SavedBytes:
    """Weigh what autograd holds, for the backward pass, when `fn()` has returned.

    torch hands every tensor that it saves to `torch.autograd.graph.saved_tensors_hooks`. What is
    still alive when `fn` has returned, through the graph of what `fn` returned, is counted. So a
    function that returns no graph costs nothing: `lambda: float(model(tokens).sum())` gives 0.

    Make the tokens outside of `fn`: what it makes itself counts as the graph's. The result of `fn`
    is dropped. What `fn` raises comes through.
    """
    held: list[weakref.ref[_Held]] = []
    with LiveBytes() as live, _Operations() as now, _watching_modules() as (inside, passed):

        def pack(tensor: Tensor) -> _Held:
            where = inside[-1] if inside else ""
            # Detached: what is packed must not hold the graph, or neither would ever be freed.
            kept = _Held(tensor.detach(), now.operation, where, live.kind_of(tensor))
            held.append(weakref.ref(kept))
            return kept

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
            result = fn()
        points: dict[int, list[str]] = {}
        for name, tensor in passed.items():
            if live.kind_of(tensor) == "activation":
                points.setdefault(storage_id(tensor), []).append(name)
        storages: dict[int, Saved] = {}
        for kept in filter(None, (one() for one in held)):
            key = storage_id(kept.tensor)
            storages.setdefault(
                key,
                Saved(
                    kept.operation,
                    kept.module,
                    tuple(points.get(key, ())),
                    tuple(kept.tensor.shape),
                    kept.tensor.untyped_storage().nbytes(),
                    kept.kind,
                ),
            )
        sizes = {names[0]: passed[names[0]].untyped_storage().nbytes() for names in points.values()}
        shared = {names[0] for key, names in points.items() if key in storages}
    del result
    return SavedBytes(
        tuple(storages.values()),
        {name: size for name, size in sizes.items() if name in shared},
        {name: size for name, size in sizes.items() if name not in shared},
    )


def predict_saved_bytes(
    cfg: HookedTransformerConfig, batch: int, pos: int, dtype: torch.dtype = torch.float32
) -> int:
    """`saved_for_backward(lambda: model(tokens)).total`, without a run: a closed formula.

    It counts what a forward pass to the logits keeps for tokens of [batch, pos], and follows the
    order of the code in `layers.py`. Parameters and the tokens are not counted.

    Raises:
        ConfigError: `batch` or `pos` is not an int from 1, or `pos` is more than n_ctx.
    """
    for name, value, most in (("batch", batch, None), ("pos", pos, cfg.n_ctx)):
        if not isinstance(value, int) or value < 1 or (most is not None and value > most):
            raise ConfigError(
                f"{name}={value!r}: give an int from 1" + (f" to {most}." if most else ".")
            )
    heads, d_head, d_mlp = cast(int, cfg.n_heads), cfg.d_head, cast(int, cfg.d_mlp)
    places = batch * pos
    stream = places * cfg.d_model
    size, wide = dtype.itemsize, max(dtype.itemsize, 4)  # a LayerNorm reckons in float32 at least
    layer_norm = (
        wide * stream  # centred: its square's derivative and the division's both need it
        + wide * places  # the deviation: one number a place
        + (size * places if size < wide else 0)  # the scale is a copy of it, in a small dtype
        + size * stream  # normalized: the derivative by the weight w
    )
    attention = size * (
        stream  # the LayerNorm's output, once for q, k and v
        + _copied_weights(cfg)  # W_Q, W_K, W_V
        + 3 * places * heads * d_head  # q / attn_scale, k and v, each laid out for the product
        + batch * heads * pos * pos  # the pattern, softmax's own result; the scores are let go
        + places * heads * d_head  # z, for W_O
    )
    mask = pos * pos  # what a query must not see: bools, one byte each
    # gelu and silu need their input (pre), and W_out needs their output (post). relu's derivative
    # reads off its output, which W_out keeps anyway.
    mlp = size * (stream + (1 if cfg.act_fn == "relu" else 2) * places * d_mlp)
    block = layer_norm + attention + mask + (0 if cfg.attn_only else layer_norm + mlp)
    unembed = size * stream  # the final LayerNorm's output, for W_U
    return cfg.n_layers * block + layer_norm + unembed


def _copied_weights(cfg: HookedTransformerConfig) -> int:
    """W_Q, W_K and W_V as [d_model, head * d_head]: copies, and the graph keeps them.

    The surprise of the list. Weights lie in memory as [head, d_model, d_head], and einsum wants one
    matrix with the heads side by side. Unless an axis has size 1, that is no view: it is a copy.
    """
    copied = cast(int, cfg.n_heads) > 1 and cfg.d_model > 1 and cfg.d_head > 1
    return 3 * cast(int, cfg.n_heads) * cfg.d_model * cfg.d_head if copied else 0


@dataclass(eq=False)
class _Held:
    """A saved tensor, alive as long as the graph that saved it."""

    tensor: Tensor
    operation: str
    module: str
    kind: Literal["activation", "parameter", "input"]


class _Operations(TorchFunctionMode):
    """Knows which of torch's functions is running, as its caller called it."""

    operation = ""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.operation = func.__name__.strip("_")
        return func(*args, **(kwargs or {}))


@contextmanager
def _watching_modules() -> Iterator[tuple[list[str], dict[str, Tensor]]]:
    """The names of the modules that are running now, and what passed each hook point so far."""
    inside: list[str] = []
    passed: dict[str, Tensor] = {}
    names: dict[nn.Module, str] = {}

    def enter(module: nn.Module, args: Any) -> None:
        if not inside:
            names.update((one, name) for name, one in module.named_modules())
        inside.append(names.get(module, type(module).__name__))

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        inside.pop()
        if isinstance(module, HookPoint) and output is not None:  # None: it raised
            passed[names[module]] = output.detach()  # held, so that no other takes its memory

    with ExitStack() as handles:
        handles.enter_context(_removed(register_module_forward_pre_hook(enter)))
        handles.enter_context(_removed(register_module_forward_hook(leave, always_call=True)))
        yield inside, passed


@contextmanager
def _removed(handle: Any) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()
