"""What the analyses cost on a GPU, as ratios to the CPU in the same run: with synchronisation.

    python -m tests.benchmarks.devices [--device cuda] [--quick]

A GPU works on while Python goes ahead. So each piece of work ends with a `synchronize`, or the
clock would measure how fast work can be asked for. 6 layers, d_model 256, 8 heads, 4 x 128 tokens.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from minicache import ActivationCache, HookedTransformer, HookedTransformerConfig
from minicache.cli.options import parse_device
from minicache.errors import ConfigError
from tests.benchmarks.measure import ratio, times

SHAPE = {"n_layers": 6, "d_model": 256, "n_ctx": 128, "d_head": 32, "n_heads": 8, "d_vocab": 1000}
ANALYSES: dict[str, Callable[[ActivationCache], Any]] = {
    "decompose_resid": lambda cache: cache.decompose_resid(),
    "decompose_resid(apply_ln=True)": lambda cache: cache.decompose_resid(apply_ln=True),
    "stack_head_results": lambda cache: cache.stack_head_results(),
    "head_logit_attrs": lambda cache: cache.head_logit_attrs(7),
}


def measure(device: torch.device, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of each analysis in each round, on the CPU and on the device."""
    tokens = torch.randint(SHAPE["d_vocab"], (4, SHAPE["n_ctx"]))
    caches = {}
    for where in (torch.device("cpu"), device):
        model = HookedTransformer(HookedTransformerConfig(**SHAPE, seed=0)).to(where)
        with torch.no_grad():
            caches[where] = model.run_with_cache(tokens.to(where))[1]

    def done(analysis: Callable[[ActivationCache], Any], where: torch.device) -> Any:
        with torch.no_grad():
            result = analysis(caches[where])
        if where.type == "cuda":
            torch.cuda.synchronize(where)
        return result

    return {
        name: times(
            {str(where): lambda a=analysis, w=where: done(a, w) for where in caches}, rounds
        )
        for name, analysis in ANALYSES.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="few rounds")
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        device = parse_device(args.device)
    except ConfigError as error:
        print(f"Nothing was measured. {error}")
        return 2
    found = measure(device, 5 if args.quick else 101)
    table = Table("analysis", "CPU, ms", f"{device}, ms", "CPU / device")
    for name, seconds in found.items():
        here, there = "cpu", str(device)
        medians = (f"{1e3 * statistics.median(seconds[where]):.3f}" for where in (here, there))
        table.add_row(name, *medians, f"{ratio(seconds, here, there):.2f}")
    Console().print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
