"""What a sweep of patches costs beside TransformerLens 3.9.0's, as ratios in one run.

    python -m tests.benchmarks.patching [--quick]

The same weights, tokens and metric in both, one thread. The shipped model with one pair of prompts,
and with four; and a random model of GPT-2's shape, on every third index of its sweep. Memory is the
highest sum of bytes of all tensors that a sweep makes, by `batch_size`. Figures of the two must
agree to 1e-5 of the largest. See README.md beside this file for the environment.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from typing import Any

import pandas as pd
import torch
import transformer_lens.patching as theirs
from torch import Tensor

from minicache import HookedTransformer, HookedTransformerConfig
from minicache import patching as ours
from tests.benchmarks.measure import peak_bytes, ratio, times
from tests.peer import peer_of

GPT2 = dict(n_layers=12, d_model=768, n_ctx=64, d_head=64, n_heads=12, d_vocab=50257)
STEP = 3
AIMS = {"shipped": 8.0, "GPT-2's shape": 1.8}


def prompts(model: HookedTransformer, several: int) -> tuple[Tensor, Tensor]:
    start = "When Mary and John went to the shop ,"
    clean, corrupted = (f"{start} {giver} gave a drink to" for giver in ("John", "Mary"))
    return model.to_tokens([clean] * several), model.to_tokens([corrupted] * several)


def metric(logits: Tensor) -> Tensor:
    return (logits[:, -1, 37] - logits[:, -1, 38]).mean()


def pair(
    model: HookedTransformer, clean: Tensor, corrupted: Tensor, name: str, step: int
) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """The sweep here and there, as functions of nothing, on every `step`-th index."""
    peer = peer_of(model)
    with torch.no_grad():
        caches = [m.run_with_cache(clean)[1] for m in (model, peer)]
    sizes = {"layer": model.cfg.n_layers, "pos": clean.shape[1], "head": model.cfg.n_heads}
    axes = ["layer", "pos"] + ["head"] * name.endswith("head_out_by_pos")
    indices = list(product(*(range(sizes[axis]) for axis in axes)))[::step]
    frame = pd.DataFrame(indices, columns=axes)

    def sweep(module: Any, of: Any, cache: Any) -> Callable[[], Tensor]:
        asked = dict(index_axis_names=None, index_df=frame)
        return lambda: getattr(module, name)(of, corrupted, cache, metric, **asked)

    return sweep(ours, model, caches[0]), sweep(theirs, peer, caches[1])


def compare(what: str, aim: float | None, rounds: int, *asked: Any) -> None:
    here, there = pair(*asked)
    mine, yours = here(), there()
    off = float((mine - yours).abs().max() / yours.abs().max())
    if off > 1e-5:
        raise ValueError(f"{what}: the figures differ by {off:.1e}")
    seconds = times({"ours": here, "theirs": there}, rounds)
    times_faster = ratio(seconds, "theirs", "ours")
    verdict = "" if aim is None else f"  (aim {aim}: {'met' if times_faster >= aim else 'MISSED'})"
    print(f"{what:50} {len(mine):4} patches  {times_faster:5.1f} x  off {off:.0e}{verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing worth quoting")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    theirs.tqdm = lambda rows: rows  # a progress bar is no part of the work
    shipped = HookedTransformer.from_pretrained()
    by_pos = "get_act_patch_attn_head_out_by_pos"
    for several in (1, 4):
        compare(
            f"shipped, heads by position, {several} x 15 tokens",
            AIMS["shipped"] if several == 1 else None,
            2 if quick else 15,
            shipped, *prompts(shipped, several), by_pos, 1,
        )  # fmt: skip
    shape = dict(GPT2, n_layers=2, d_model=96, d_vocab=500) if quick else GPT2
    large = HookedTransformer(HookedTransformerConfig(**shape, act_fn="gelu_new", seed=0)).eval()
    clean = torch.randint(shape["d_vocab"], (1, 15), generator=torch.Generator().manual_seed(0))
    corrupted = clean.clone()
    corrupted[0, 5] = 7
    for name in ("get_act_patch_resid_pre", "get_act_patch_attn_out"):
        compare(
            f"GPT-2's shape, {name.removeprefix('get_act_patch_')}, 1 x 15 tokens",
            None if quick else AIMS["GPT-2's shape"],
            1 if quick else 5,
            large, clean, corrupted, name, STEP,
        )  # fmt: skip
    clean, corrupted = prompts(shipped, 4)
    with torch.no_grad():
        _, cache = shipped.run_with_cache(clean)
    for batch_size in (4, 16, 64, 256):
        bytes_ = peak_bytes(
            lambda rows=batch_size: ours.get_act_patch_attn_head_out_by_pos(
                shipped, corrupted, cache, metric, batch_size=rows
            )
        )
        print(f"shipped, 4 x 15 tokens, batch_size={batch_size:<4} peak {bytes_ / 1e6:6.2f} MB")


if __name__ == "__main__":
    main()
