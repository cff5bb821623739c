"""Measure the bytes that autodiff keeps, exactly and by six methods: `python -m minicache memory`.

`look` measures the exact bytes, and those by the formula, by each method of `methods.py` and under
each mode of autodiff. `show` draws the tables. Lesson 12 walks through them.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, replace
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from minicache.cli.options import Screen, load_model
from minicache.errors import ConfigError, MissingPackageError
from minicache.memory import predict_saved_bytes, saved_for_backward
from minicache.memory.live import compare_modes
from minicache.memory.methods import METHODS, cuda_report, sweep
from minicache.model import HookedTransformer

__all__ = ["look", "run", "show"]


def look(model: HookedTransformer, batch: int, pos: int) -> dict[str, Any]:
    """Measure everything that `show` draws, and return it as plain data.

    Args:
        batch: How many items to run at once.
        pos: How many tokens each item has.
    """
    tokens = torch.arange(batch * pos, device=model.device).reshape(batch, pos) % model.cfg.d_vocab
    dtype = model.W_E.dtype
    methods = []
    for method in METHODS:  # before all else, because some measure how much the process grows
        row = {"number": method.number, "method": method.name, "good_for": method.good_for}
        try:
            methods.append({**row, "says": method.run(model, tokens), "why_not": None})
        except (ConfigError, MissingPackageError) as error:
            methods.append({**row, "says": None, "why_not": str(error)})
    saved = saved_for_backward(lambda: model(tokens))
    layers = [
        (n, predict_saved_bytes(replace(model.cfg, n_layers=n, attn_types=None), batch, pos, dtype))
        for n in (1, 2, 4, 8)
    ]
    return {
        "batch": batch,
        "pos": pos,
        "exact": saved.total,
        "predicted": predict_saved_bytes(model.cfg, batch, pos, dtype),
        "parameters": saved.parameters,
        "cache_shares": sum(saved.shared.values()),
        "cache_adds": sum(saved.extra.values()),
        "by_operation": saved.by_operation(),
        "by_module": saved.by_module(),
        "methods": methods,
        "modes": {mode: asdict(cost) for mode, cost in compare_modes(model, tokens).items()},
        "sweep": [
            {
                "batch": size,
                "exact": kept,
                "predicted": predict_saved_bytes(model.cfg, size, pos, dtype),
            }
            for size, kept in sweep(model, tokens)
        ],
        "layers": [{"layers": n, "predicted": size} for n, size in layers],
    }


def show(findings: dict[str, Any], console: Console) -> None:
    """Draw the findings in 80 columns."""
    exact = findings["exact"]
    console.print(
        f"Autodiff holds {_mb(exact)} for {findings['batch']} x {findings['pos']} tokens, exactly. "
        f"The formula says {_mb(findings['predicted'])}: "
        f"{findings['predicted'] - exact} bytes off.\n"
        f"A full cache of the same run shares {_mb(findings['cache_shares'])} of it, and adds "
        f"{_mb(findings['cache_adds'])}.",
        highlight=False,
    )
    operations = list(findings["by_operation"].items())[:6]
    console.print("Most of it: " + ", ".join(f"{op} {_mb(size)}" for op, size in operations) + ".")
    table = Table("method", "says", "error", "good for", box=None, title_justify="left")
    for row in findings["methods"]:
        name = f"{row['number']} {row['method']}"
        if row["says"] is None:
            table.add_row(name, "-", "", f"not run: {row['why_not']}")
        else:
            relative_error = f"{(row['says'] - exact) / exact:+.1%}"
            table.add_row(name, _mb(row["says"]), relative_error, row["good_for"])
    console.print()
    console.print(table, highlight=False)
    modes = Table("mode", "retained", "peak", "time", box=None)
    for mode, cost in findings["modes"].items():
        modes.add_row(
            mode, _mb(cost["retained"]), _mb(cost["peak"]), f"{1e3 * cost['seconds']:.1f} ms"
        )
    console.print()
    console.print(modes, highlight=False)


def _mb(size: float) -> str:
    return f"{size / 1e6:.2f} MB"


def run(args: argparse.Namespace) -> int:
    """The command `memory`."""
    model = load_model(args)
    pos = model.cfg.n_ctx if args.pos is None else args.pos
    needed = predict_saved_bytes(model.cfg, args.batch, pos)  # also checks batch and pos
    if needed > _read_total_memory(model.device):
        raise ConfigError(
            f"--batch {args.batch} --pos {pos}: autodiff would keep {needed / 1e9:,.1f} GB, more "
            f"than this machine has. Give a smaller --batch."
        )
    if args.cuda_report:
        tokens = torch.zeros(args.batch, pos, dtype=torch.long, device=model.device)
        cuda_report(model, tokens, args.cuda_report)
    findings = look(model, args.batch, pos)
    if args.json:
        print(json.dumps(findings, indent=1))
    else:
        show(findings, Screen(highlight=False))
    if args.plot:
        from minicache import plots  # an optional extra, wanted only here

        sweep, layers = findings["sweep"], findings["layers"]
        kept = ([row[key] for row in sweep] for key in ("batch", "exact", "predicted"))
        of_layers = ([row[key] for row in layers] for key in ("layers", "predicted"))
        plots.save(plots.saved_bytes(*kept, *of_layers), args.plot)
    return 0


def _read_total_memory(device: torch.device) -> int:
    """Return all the bytes of a device's memory, used or free."""
    if device.type == "cuda":  # pragma: no cover  # tests/test_cuda.py, where there is a GPU
        return torch.cuda.mem_get_info(device)[1]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
