"""Count the bytes of the tensors that are alive, exactly: `LiveBytes`, `compare_modes`.

Every tensor that an operation makes passes torch's dispatcher. `LiveBytes` counts storages there as
they are made and freed. `compare_modes` uses it to measure torch's ways of switching autodiff off.
Lesson 12 compares them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from minicache.shared_memory import storage_id, storages

__all__ = ["LiveBytes", "ModeCost", "compare_modes"]


@dataclass(frozen=True)
class ModeCost:
    """What one way of running cost.

    Attributes:
        retained: Bytes that were still alive after it, its results held.
        peak: The most bytes that were alive at once.
        seconds: How long it took.
    """

    retained: int
    peak: int
    seconds: float


def compare_modes(
    model: nn.Module, tokens: Int[Tensor, "batch pos"], steps: int = 3
) -> dict[str, ModeCost]:
    """Run `model(tokens)` under each mode of autodiff, and measure the bytes that each keeps.

    The last entry is a known mistake: each step's loss goes into a list for a plot, and every loss
    keeps its graph alive. `float(loss)` would have kept the number alone.

    On the CPU the bytes are those of new tensors, counted by `LiveBytes`: exact. On CUDA they are
    the allocator's, which rounds each tensor up to a multiple of 512.

    Args:
        steps: How many losses go into the list.

    Returns:
        `"grad"`, `"no_grad"`, `"inference_mode"`, and `"grad, losses in a list"`.
    """

    def losses() -> list[Tensor]:
        return [model(tokens).logsumexp(-1).mean() for _ in range(steps)]

    def run() -> Any:
        return model(tokens)

    return {
        "grad": _cost(torch.enable_grad(), run, tokens.device),
        "no_grad": _cost(torch.no_grad(), run, tokens.device),
        "inference_mode": _cost(torch.inference_mode(), run, tokens.device),
        "grad, losses in a list": _cost(torch.enable_grad(), losses, tokens.device),
    }


def _cost(mode: Any, run: Callable[[], Any], device: torch.device) -> ModeCost:
    measure = _cuda_bytes if device.type == "cuda" else _live_bytes
    with mode:
        run()  # warm up: what is set up once is not this mode's cost
        start = perf_counter()
        run()
        if device.type == "cuda":  # pragma: no cover  # the tests marked `cuda` run this
            torch.cuda.synchronize(device)
        seconds = perf_counter() - start
        return ModeCost(*measure(run), seconds)


def _live_bytes(run: Callable[[], Any]) -> tuple[int, int]:
    with LiveBytes() as live:
        result = run()
        measured = live.now, live.peak
        del result
    return measured


def _cuda_bytes(
    run: Callable[[], Any],
) -> tuple[int, int]:  # pragma: no cover  # the tests marked `cuda` run this
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    result = run()
    measured = torch.cuda.memory_allocated() - before, torch.cuda.max_memory_allocated() - before
    del result
    return measured


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has not typed it
    """A context that counts the bytes of every storage made within it, while the storage lives.

    It works below autograd, where each operation's tensors pass, so nothing is sampled or rounded.
    It does not see what a single operation allocates inside for itself.

    Attributes:
        now: Bytes alive.
        peak: The most bytes that were alive at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has not typed it
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first use loads torch's compiler, which takes as long as torch

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        given = _storages((args, kwargs))
        for key, storage in _storages(result).items():
            if key not in given:
                self._sizes[key] = storage.nbytes()
                self.now += storage.nbytes()
                weakref.finalize(storage, self._forget, key)
        self.peak = max(self.peak, self.now)
        return result

    def kind_of(self, tensor: Tensor) -> Literal["activation", "parameter", "input"]:
        """Whether a tensor was made within the context, is a parameter, or was there before."""
        if storage_id(tensor) in self._sizes:
            return "activation"
        root = tensor if tensor._base is None else tensor._base
        return "parameter" if root.is_leaf and root.requires_grad else "input"

    def _forget(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


def _storages(tree: Any) -> dict[int, torch.UntypedStorage]:
    """The storages of all tensors in a tree of arguments or results, each once."""
    return storages(leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
