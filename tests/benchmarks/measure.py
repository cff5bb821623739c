"""How the benchmarks measure: side by side, in one run, in random order, by medians of ratios."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable
from random import Random
from time import perf_counter

import torch

from minicache.memory.live import LiveBytes

Work = Callable[[], object]


def times(works: dict[str, Work], rounds: int, seed: int = 0) -> dict[str, list[float]]:
    """Seconds of each work in each round. In a round each runs once, in a random order.

    What a work returns is dropped after the clock has stopped, so freeing it is not counted.
    """
    random, seconds = Random(seed), {name: [] for name in works}
    for work in works.values():  # the first call pays for what is set up once
        work()
    order = list(works)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            gc.collect()
            gc.disable()
            start = perf_counter()
            result = works[name]()
            seconds[name].append(perf_counter() - start)
            gc.enable()
            del result
    return seconds


def ratio(seconds: dict[str, list[float]], above: str, below: str) -> float:
    """The median over the rounds of one time by the other, taken in the same round."""
    pairs = zip(seconds[above], seconds[below], strict=True)
    return statistics.median(one / other for one, other in pairs)


def peak_bytes(work: Work) -> int:
    """The most bytes of new tensors that were alive at once while `work` ran, by its operations.

    Scratch memory inside one torch operation is not seen.
    """
    with LiveBytes() as seen:
        work()
    return seen.peak


def line_fit(sizes: list[int], values: list[float]) -> float:
    """The exponent p of value = c * size ** p, by least squares on the logarithms."""
    x = torch.tensor(sizes, dtype=torch.float64).log()
    y = torch.tensor(values, dtype=torch.float64).log()
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (x * x).sum())
