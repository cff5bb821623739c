"""What following costs: a cached run of a wrapped model, against plain hooks that keep the same.

    python -m tests.benchmarks.bridge

A GPT-2 of 12 layers and width 768, random weights, 4 x 128 tokens. The plain hooks keep each
module's output in a list. Figures are medians of runs that take turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import nn

import minicache


def gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config()).eval()


def with_plain_hooks(model: nn.Module, tokens: torch.Tensor) -> list[object]:
    """Run a model, and keep what each of its modules gives."""
    kept: list[object] = []
    with ExitStack() as stack:
        for module in model.modules():
            handle = module.register_forward_hook(lambda m, args, output: kept.append(output))
            stack.callback(handle.remove)
        model(tokens, use_cache=False)
    return kept


def seconds(rounds: int, **calls: Callable[[], object]) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    return taken


def main(rounds: int = 9) -> None:
    model = gpt2()
    tokens = torch.randint(50257, (4, 128), generator=torch.Generator().manual_seed(0))
    wrapped = minicache.wrap(model)
    with torch.no_grad():
        taken = seconds(
            rounds + 1,
            forward=lambda: model(tokens, use_cache=False),
            plain=lambda: with_plain_hooks(model, tokens),
            cached=lambda: wrapped.run_with_cache(tokens),
            wrap=lambda: minicache.wrap(model),
        )
    median = {name: statistics.median(times[1:]) for name, times in taken.items()}
    for name, value in median.items():
        print(f"{name:8} {value:.3f} s")
    ratios = [c / p for c, p in zip(taken["cached"][1:], taken["plain"][1:], strict=True)]
    print(f"cached / plain  {statistics.median(ratios):.3f} (bar: 1.05)")
    print(f"wrap / forward  {median['wrap'] / median['forward']:.2f} (bar: 5)")


if __name__ == "__main__":
    main()
