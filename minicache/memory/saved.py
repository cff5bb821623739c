"""Measure, to the byte, which tensors autograd keeps for a backward pass.

To run backward, autograd keeps tensors of the forward pass: each operation's inputs or outputs, as
its derivative needs them. `saved_for_backward` measures what one call keeps, to the byte.
`formula.py` predicts the same figure without a run. `python -m minicache memory` tries six other
methods against these.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode

from minicache.hooks.point import HookPoint
from minicache.memory.live import LiveBytes
from minicache.storage import storage_id

__all__ = [
    "Saved",
    "SavedBytes",
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
