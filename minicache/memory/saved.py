"""Measure, to the byte, which tensors autograd keeps for a backward pass.

To run backward, autograd keeps tensors of the forward pass: each operation's inputs or outputs, as
its derivative needs them. `saved_for_backward` lists what one call keeps. `formula.py` predicts the
same total without a run. `python -m minicache memory` compares six other methods with these.
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
    """One storage that the graph holds.

    Attributes:
        operation: The first operation that saved it, as torch calls it: `"softmax"`.
        module: The module that ran the operation, by its name in its model: `"blocks.0.attn"`. If
            the call ran a second model, with that model's name in front: `"Toy 2.first"`.
        activations: The hook points that it passed. A cache that keeps those takes no more memory.
        shape: Of the tensor as it was saved. Its storage may be larger.
        bytes: Of the whole storage, because all of it stays in memory.
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
        extra: Bytes of each activation that only a cache would hold. A storage that passes two
            hook points counts for the first.
    """

    saved: tuple[Saved, ...]
    shared: dict[str, int]
    extra: dict[str, int]

    @property
    def total(self) -> int:
        """Bytes that would be freed without the graph: those of kind `"activation"`."""
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
        return self._group(lambda saved: saved.operation)

    def by_module(self) -> dict[str, int]:
        """`total`, module by module, the largest first."""
        return self._group(lambda saved: saved.module)

    def _of_kind(self, kind: str) -> int:
        return sum(saved.bytes for saved in self.saved if saved.kind == kind)

    def _group(self, key: Callable[[Saved], str]) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for saved in self.saved:
            if saved.kind == "activation":
                counts[key(saved)] += saved.bytes
        return dict(counts.most_common())


def saved_for_backward(fn: Callable[[], Any]) -> SavedBytes:
    """Measure what autograd keeps for the backward pass after `fn()` has returned.

    torch passes every tensor that it saves to `torch.autograd.graph.saved_tensors_hooks`. Those
    that the graph of `fn`'s result still keeps alive after the call are counted. So a function that
    returns no graph keeps nothing: `lambda: float(model(tokens).sum())` gives 0.

    Make the tokens outside of `fn`: what `fn` makes itself counts as the graph's. The result of
    `fn` is dropped. Its exceptions pass through. What other threads run meanwhile is not counted.
    """
    held: list[weakref.ref[_Held]] = []
    with LiveBytes() as live, _Operations() as now, _watch_modules() as (inside, passed):

        def pack(tensor: Tensor) -> _Held:
            where = inside[-1] if inside else ""
            # Detached: a packed tensor that held its graph would keep both alive for ever.
            kept = _Held(tensor.detach(), now.operation, where, live.kind_of(tensor))
            held.append(weakref.ref(kept))
            return kept

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
            result = fn()
        points: dict[int, dict[str, int]] = {}  # storage: hook points that it passed, its size
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
    """Notes which of torch's functions is running, by the name that it was called by."""

    operation = ""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.operation = func.__name__.strip("_")
        return func(*args, **(kwargs or {}))


@contextmanager
def _watch_modules() -> Iterator[tuple[list[str], list[tuple[str, Tensor]]]]:
    """The names of the modules that this thread is running, and what passed hook points so far."""
    here, names = get_ident(), _Names()
    running: list[nn.Module] = []
    inside: list[str] = []
    passed: list[tuple[str, Tensor]] = []

    def enter(module: nn.Module, args: Any) -> None:
        if get_ident() == here:  # torch calls this for the modules of all threads
            running.append(module)
            inside.append(names.of(module))

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        if get_ident() != here or not running or running[-1] is not module:
            return
        running.pop()
        name = inside.pop()
        if isinstance(module, HookPoint) and output is not None:  # None: it raised
            passed.append((name, output.detach()))  # kept, so that its memory is not reused

    with ExitStack() as handles:
        handles.callback(register_module_forward_pre_hook(enter).remove)
        handles.callback(register_module_forward_hook(leave, always_call=True).remove)
        yield inside, passed


class _Names:
    """Names modules by their place: in the model, or in the outermost module that was called.

    Modules of the first model have the names that its cache has, also inside a wrapper. Those of
    further models have their place in the wrapper in front, or without a wrapper, `"Toy 2"`.
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
            place = "" if first_model or not self.names else f"{kind} {self.kinds[kind]}"
            for name, part in module.named_modules():
                self.names[part] = ".".join(filter(None, (place, name)))
        self.found_model |= first_model
        return self.names[module]
