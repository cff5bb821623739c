"""Count the bytes of all living tensors, exactly: `LiveBytes`, `compare_modes`.

Every tensor that an operation makes passes torch's dispatcher. There `LiveBytes` counts storages as
they are made and freed. With it, `compare_modes` measures what a run keeps under `no_grad` and
`inference_mode`. Lesson 12 compares them.
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
    """The memory and time that a run took under one mode of autodiff.

    Attributes:
        retained: Bytes still alive after the run, while its result is held.
        peak: The most bytes that were alive at once.
        seconds: How long the run took.
    """

    retained: int
    peak: int
    seconds: float


def compare_modes(
    model: nn.Module, tokens: Int[Tensor, "batch pos"], steps: int = 3
) -> dict[str, ModeCost]:
    """Run `model(tokens)` under each mode of autodiff, and measure the bytes that each run keeps.

    The last entry is a known mistake: each step's loss is put into a list, for a plot, and every
    loss keeps its graph alive. `float(loss)` would keep only the number.

    On the CPU, `LiveBytes` counts the bytes of new tensors exactly. On CUDA, the bytes are those of
    torch's allocator, which rounds each tensor up to a multiple of 512.

    Args:
        steps: How many losses are put into the list.

    Returns:
        `"grad"`, `"no_grad"`, `"inference_mode"`, and `"grad, losses in a list"`.
    """

    def collect_losses() -> list[Tensor]:
        return [model(tokens).logsumexp(-1).mean() for _ in range(steps)]

    def run() -> Any:
        return model(tokens)

    return {
        "grad": _measure(torch.enable_grad(), run, tokens.device),
        "no_grad": _measure(torch.no_grad(), run, tokens.device),
        "inference_mode": _measure(torch.inference_mode(), run, tokens.device),
        "grad, losses in a list": _measure(torch.enable_grad(), collect_losses, tokens.device),
    }


def _measure(mode: Any, run: Callable[[], Any], device: torch.device) -> ModeCost:
    measure_bytes = _measure_cuda_bytes if device.type == "cuda" else _measure_live_bytes
    with mode:
        run()  # a warm-up: what torch sets up once, at the first run, is not counted
        start = perf_counter()
        run()
        if device.type == "cuda":  # pragma: no cover  # the tests marked `cuda` run this
            torch.cuda.synchronize(device)
        seconds = perf_counter() - start
        return ModeCost(*measure_bytes(run), seconds)


def _measure_live_bytes(run: Callable[[], Any]) -> tuple[int, int]:
    """Measure the bytes that `run` keeps while its result is held, and its peak."""
    with LiveBytes() as live:
        result = run()
        measured = live.now, live.peak
        del result
    return measured


def _measure_cuda_bytes(
    run: Callable[[], Any],
) -> tuple[int, int]:  # pragma: no cover  # the tests marked `cuda` run this
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    result = run()
    measured = torch.cuda.memory_allocated() - before, torch.cuda.max_memory_allocated() - before
    del result
    return measured


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has not typed it
    """A context manager that counts the bytes of every storage made in it, as long as it lives.

    It gets the result of each operation from torch's dispatcher, below autograd, so the count is
    exact. Memory that an operation allocates and frees inside itself is not counted.

    Attributes:
        now: Bytes alive at the moment.
        peak: The most bytes that were alive at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has not typed it
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # True would load torch's compiler at the first use

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = _find_storages((args, kwargs))
        for key, storage in _find_storages(result).items():
            if key not in inputs:
                self._sizes[key] = storage.nbytes()
                self.now += storage.nbytes()
                weakref.finalize(storage, self._forget, key)
        self.peak = max(self.peak, self.now)
        return result

    def kind_of(self, tensor: Tensor) -> Literal["activation", "parameter", "input"]:
        """Tell whether a tensor was made in the context, is a parameter, or was there before."""
        if storage_id(tensor) in self._sizes:
            return "activation"
        root = tensor if tensor._base is None else tensor._base
        return "parameter" if root.is_leaf and root.requires_grad else "input"

    def _forget(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


def _find_storages(tree: Any) -> dict[int, torch.UntypedStorage]:
    """Find the storages of all tensors in nested arguments or results, each once."""
    return storages(leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
