"""Measure, to the byte, which tensors autograd keeps for a backward pass.

For the backward pass, autograd keeps tensors of the forward pass: those inputs and outputs of each
operation that its derivative needs. `saved_for_backward` lists all that one call keeps.
`formula.py` predicts their total without a run. `python -m minicache memory` compares six other
methods with both.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import get_ident
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode

from minicache.hooks import HookedRootModule, HookPoint
from minicache.memory.live import LiveBytes
from minicache.shared_memory import storage_id

__all__ = ["Saved", "SavedBytes", "saved_for_backward"]


@dataclass(frozen=True)
class Saved:
    """One storage that the graph keeps alive.

    Attributes:
        operation: The first operation that saved it, by torch's name: `"softmax"`.
        module: The module that ran the operation, by its name in its model: `"blocks.0.attn"`. In
            a second model that the call ran, that model's name comes first: `"Toy 2.first"`.
        activations: The hook points that it passed. A cache of these activations takes no further
            memory.
        shape: The shape of the tensor that was saved. Its storage may be larger.
        bytes: The size of the whole storage, because all of it stays in memory.
        kind: `"activation"` if the call made it. `"parameter"` or `"input"` if it is older.
    """

    operation: str
    module: str
    activations: tuple[str, ...]
    shape: tuple[int, ...]
    bytes: int
    kind: Literal["activation", "parameter", "input"]


@dataclass(frozen=True)
class SavedBytes:
    """The storages that one call's graph keeps alive, and what a cache of the call would add.

    Attributes:
        saved: The storages, each once, in the order in which they were saved.
        shared: By hook point, the bytes of activations that the graph keeps alive anyway.
        extra: By hook point, the bytes of activations that only a cache would keep alive. A storage
            that passes two hook points counts for the first.
    """

    saved: tuple[Saved, ...]
    shared: dict[str, int]
    extra: dict[str, int]

    @property
    def total(self) -> int:
        """Bytes of kind `"activation"`: without the graph they would be freed."""
        return self._sum_kind("activation")

    @property
    def parameters(self) -> int:
        """Bytes of parameters that the graph refers to. The model keeps them alive anyway."""
        return self._sum_kind("parameter")

    @property
    def inputs(self) -> int:
        """Bytes of other tensors from before the call that the graph refers to, such as tokens."""
        return self._sum_kind("input")

    def by_operation(self) -> dict[str, int]:
        """Split `total` by operation, the largest first."""
        return self._split_total(lambda saved: saved.operation)

    def by_module(self) -> dict[str, int]:
        """Split `total` by module, the largest first."""
        return self._split_total(lambda saved: saved.module)

    def _sum_kind(self, kind: str) -> int:
        return sum(saved.bytes for saved in self.saved if saved.kind == kind)

    def _split_total(self, key: Callable[[Saved], str]) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for saved in self.saved:
            if saved.kind == "activation":
                counts[key(saved)] += saved.bytes
        return dict(counts.most_common())


def saved_for_backward(fn: Callable[[], Any]) -> SavedBytes:
    """Measure what autograd keeps for the backward pass after `fn()` has returned.

    torch passes every tensor that it saves to `torch.autograd.graph.saved_tensors_hooks`. A tensor
    is counted if the graph of `fn`'s result still keeps it alive after the call. So a function
    whose result has no graph keeps nothing: `lambda: float(model(tokens).sum())` gives 0.

    Make the tokens outside of `fn`: tensors that `fn` makes count as activations. The result of
    `fn` is dropped. Its exceptions pass through. Other threads are not counted.
    """
    held: list[weakref.ref[_Held]] = []
    with LiveBytes() as live, _Operations() as now, _watch_modules() as (inside, passed):

        def pack(tensor: Tensor) -> _Held:
            module = inside[-1] if inside else ""
            # Detached: a packed tensor that held its graph would keep both alive for ever.
            kept = _Held(tensor.detach(), now.operation, module, live.kind_of(tensor))
            held.append(weakref.ref(kept))
            return kept

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
            result = fn()
        points: dict[int, dict[str, int]] = {}  # storage id -> hook point that it passed -> bytes
        for name, tensor in passed:
            if live.kind_of(tensor) == "activation":
                size = tensor.untyped_storage().nbytes()
                points.setdefault(storage_id(tensor), {}).setdefault(name, size)
        storages: dict[int, Saved] = {}
        for kept in filter(None, (reference() for reference in held)):
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
        shared, extra = Counter[str](), Counter[str]()
        for key, sizes in points.items():
            name, size = next(iter(sizes.items()))
            (shared if key in storages else extra)[name] += size
    del result
    return SavedBytes(tuple(storages.values()), dict(shared), dict(extra))


@dataclass(eq=False)
class _Held:
    """A saved tensor, alive as long as the graph that saved it."""

    tensor: Tensor
    operation: str
    module: str
    kind: Literal["activation", "parameter", "input"]


class _Operations(TorchFunctionMode):
    """A mode that records the name of the torch function that is running."""

    operation = ""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.operation = func.__name__.strip("_")
        return func(*args, **(kwargs or {}))


@contextmanager
def _watch_modules() -> Iterator[tuple[list[str], list[tuple[str, Tensor]]]]:
    """Record the modules that this thread is in, by name, and the tensors that pass hook points."""
    this_thread, names = get_ident(), _Names()
    running: list[nn.Module] = []
    inside: list[str] = []
    passed: list[tuple[str, Tensor]] = []

    def enter(module: nn.Module, args: Any) -> None:
        if get_ident() == this_thread:  # torch calls this for the modules of all threads
            running.append(module)
            inside.append(names.of(module))

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        if get_ident() != this_thread or not running or running[-1] is not module:
            return
        running.pop()
        name = inside.pop()
        if isinstance(module, HookPoint) and output is not None:  # None means that it raised
            passed.append((name, output.detach()))  # held, so that its storage id is not reused

    with ExitStack() as handles:
        handles.callback(register_module_forward_pre_hook(enter).remove)
        handles.callback(register_module_forward_hook(leave, always_call=True).remove)
        yield inside, passed


class _Names:
    """Names modules by their path: in their model, or in the outermost module that was called.

    Modules of the first model have the names that its cache uses, also if a wrapper calls the
    model. Names of a further model's modules begin with its path in the wrapper, or without a
    wrapper, with its class and number: `"Toy 2"`.
    """

    def __init__(self) -> None:
        self.names: dict[nn.Module, str] = {}
        self.kinds: Counter[str] = Counter()
        self.found_model = False

    def of(self, module: nn.Module) -> str:
        first_model = isinstance(module, HookedRootModule) and not self.found_model
        if first_model or module not in self.names:
            kind = type(module).__name__
            self.kinds[kind] += 1
            prefix = "" if first_model or not self.names else f"{kind} {self.kinds[kind]}"
            for name, part in module.named_modules():
                self.names[part] = ".".join(filter(None, (prefix, name)))
        self.found_model |= first_model
        return self.names[module]
