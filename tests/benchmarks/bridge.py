"""What following costs: a cached run of a wrapped model, against plain hooks that keep the same.

    python -m tests.benchmarks.bridge

A GPT-2 of 12 layers and width 768, random weights, 4 x 128 tokens. The plain hooks keep each
module's output in a list. A cache holds more than that: scores, patterns, z, the stream between
attention and MLP, and each norm's scale and what it gave before its weight. `by_hand` computes and
keeps these too, in hooks written for GPT-2. So cached / by hand is what following itself costs.

Figures are of runs that take turns: the median ratio to the plain run beside it, with quartiles.
CPU time is told too: what others run on the machine changes it less.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

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


def by_hand(model: Any, tokens: torch.Tensor) -> list[object]:
    """Run a GPT-2, and keep what `run_with_cache` keeps, by hooks that know where it is."""
    kept: list[object] = []
    heads, mask = model.config.n_head, torch.full((tokens.shape[1],) * 2, -torch.inf).triu(1)

    def keep_attention(module: nn.Module, args: Any, output: Tensor) -> None:
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in output.chunk(3, -1))
        scores = torch.baddbmm(
            mask.expand(len(q) * heads, -1, -1),
            q.flatten(0, 1),
            k.flatten(0, 1).mT,
            alpha=q.shape[-1] ** -0.5,
        )
        kept.extend((q, k, v, scores, scores.softmax(-1)))

    def keep_norm(module: nn.LayerNorm, args: Any, output: Tensor) -> None:
        centred = args[0] - args[0].mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + module.eps).sqrt()
        kept.extend((scale, centred / scale, args[0]))

    with ExitStack() as stack:
        for name, module in model.named_modules():
            if isinstance(module, nn.LayerNorm):
                stack.callback(module.register_forward_hook(keep_norm).remove)
            elif name.endswith("attn.c_attn"):
                stack.callback(module.register_forward_hook(keep_attention).remove)
            elif not name.endswith((".attn", ".mlp", "dropout")):
                keep = module.register_forward_hook(lambda m, args, output: kept.append(output))
                stack.callback(keep.remove)
            if name.endswith("c_proj"):  # z, or the neurons
                keep = module.register_forward_pre_hook(lambda m, args: kept.append(args[0]))
                stack.callback(keep.remove)
        model(tokens, use_cache=False)
    return kept


def measure(rounds: int, **calls: Callable[[], object]) -> dict[str, list[tuple[float, float]]]:
    """Seconds of each run, by the clock and of the CPU. The first round is not counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for count in range(rounds + 1):
        for name, call in calls.items():
            start, cpu_start = time.perf_counter(), time.process_time()
            result = call()
            seconds = time.perf_counter() - start, time.process_time() - cpu_start
            del result  # outside of what is measured
            if count:
                taken[name].append(seconds)
    return taken


def main(rounds: int = 9) -> None:
    model = gpt2()
    tokens = torch.randint(50257, (4, 128), generator=torch.Generator().manual_seed(0))
    wrapped = minicache.wrap(model)
    with torch.no_grad():
        taken = measure(
            rounds,
            forward=lambda: model(tokens, use_cache=False),
            plain=lambda: with_plain_hooks(model, tokens),
            by_hand=lambda: by_hand(model, tokens),
            cached=lambda: wrapped.run_with_cache(tokens),
            wrap=lambda: minicache.wrap(model),
        )
    print(f"{torch.get_num_threads()} threads, {rounds} rounds")
    for index, clock in enumerate(("seconds", "of CPU")):
        for name, times in taken.items():
            pairs = zip(times, taken["plain"], strict=True)
            ratios = [own[index] / plain[index] for own, plain in pairs]
            low, middle, high = statistics.quantiles(ratios, n=4)
            value = statistics.median(pair[index] for pair in times)
            print(f"{name:8} {value:6.3f} {clock}, / plain {middle:.3f} [{low:.3f} to {high:.3f}]")
    print("bars: cached / plain 1.05; wrap / forward 5")


if __name__ == "__main__":
    main()
