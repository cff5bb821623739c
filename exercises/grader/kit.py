"""What a check is written with: points, a look at logs and state, and models to try answers on.

In the models every axis has a size of its own and no weight or bias is zero, so that a forgotten
bias shows, and a transposed axis too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from exercises.grader.child import load_module
from minicache import ActivationCache, HookedTransformer, HookedTransformerConfig

__all__ = ["WORLDS", "logged", "optimized", "patient", "points", "run", "state_kept"]

# Sizes of `run(**WORLDS[..])`: batch 1, one layer, four, and float32 beside the usual two layers.
WORLDS: dict[str, dict[str, Any]] = {
    "2 layers of 3 heads": {},
    "1 layer, batch 1": {"n_layers": 1, "n_heads": 2, "batch": 1, "pos": 3},
    "4 layers, float32": {
        "n_layers": 4,
        "n_heads": 2,
        "batch": 3,
        "pos": 2,
        "dtype": torch.float32,
    },
}


def points(number: int) -> Callable[[Any], Any]:
    """How many points a check gives. Without it, one."""

    def mark(check: Any) -> Any:
        check.points = number
        return check

    return mark


@contextmanager
def logged(least: int = logging.WARNING) -> Iterator[list[str]]:
    """What is logged inside, as `"LEVEL logger"`, whatever the logger. Nothing is printed.

    What is less than `least` is anybody's own affair.
    """
    seen: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= least:
                seen.append(f"{record.levelname} {record.name}")

    handler, root = Keep(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield seen
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def state_kept(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two dictionaries have the same keys in the same order, and the same objects."""
    return list(before) == list(after) and all(before[key] is after[key] for key in before)


def optimized(answer: ModuleType) -> ModuleType:
    """The answer as `python -O` runs it: no assert, and `__debug__` is false."""
    return load_module(answer.__name__, Path(str(answer.__file__)), optimize=1)


def patient(n_layers: int = 2, n_heads: int = 3, attn_only: bool = False) -> HookedTransformer:
    """A small random model in float64."""
    cfg = HookedTransformerConfig(
        n_layers=n_layers,
        d_model=10,
        n_ctx=9,
        d_head=4,
        n_heads=n_heads,
        d_mlp=7,
        d_vocab=11,
        attn_only=attn_only,
        seed=0,
    )
    model = HookedTransformer(cfg).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(0.5 * noise + (parameter.mean() if parameter.ndim == 1 else 0))
    return model.requires_grad_(False)


def run(
    batch: int = 2, pos: int = 5, dtype: torch.dtype = torch.float64, **shape: Any
) -> tuple[HookedTransformer, Tensor, Tensor, ActivationCache]:
    """(model, tokens [batch, pos], logits, cache) of one run."""
    model = patient(**shape).to(dtype)
    tokens = torch.tensor([[1, 2, 3, 4, 5], [6, 1, 7, 2, 8], [9, 9, 10, 0, 3]])[:batch, :pos]
    logits, cache = model.run_with_cache(tokens)
    return model, tokens, logits, cache
