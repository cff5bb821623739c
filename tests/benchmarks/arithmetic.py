"""What the hooks, the decompositions and the attributions cost, as ratios in one run.

    python -m tests.benchmarks.arithmetic [--quick] [--json FILE] [--plot FILE.svg]

6 layers, d_model 256, 8 heads, 4 x 128 tokens, one thread. The peer is TransformerLens 3.9.0 with
the same weights. See README.md beside this file for the environment.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from einops import einsum, rearrange
from rich.console import Console
from rich.table import Table
from transformer_lens import HookedTransformer as Peer

from minicache import HookedTransformer, HookedTransformerConfig
from tests.benchmarks.measure import line_fit, peak_bytes, ratio, times
from tests.peer import peer_of

SHAPE = {"n_layers": 6, "d_model": 256, "n_ctx": 128, "d_head": 32, "n_heads": 8, "d_vocab": 1000}


def pair(**shape: int) -> tuple[HookedTransformer, Peer, torch.Tensor]:
    """One set of weights in both, and tokens for them."""
    shape = {**SHAPE, **shape}
    ours = HookedTransformer(HookedTransformerConfig(**shape, act_fn="gelu_new", seed=0))
    tokens = torch.randint(shape["d_vocab"], (4, shape["n_ctx"]))
    return ours.eval(), peer_of(ours), tokens


def hook_rows(rounds: int) -> list[tuple[str, float, str, float]]:
    """What it costs to keep every activation."""
    ours, theirs, tokens = pair()
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor, hook: object) -> None:
        kept.append(tensor)

    def forward_kept_in_a_list() -> list[torch.Tensor]:
        kept.clear()
        logits = ours(tokens)
        return [logits, *kept]

    def in_a_list() -> list[torch.Tensor]:
        with ours.hooks([(lambda name: True, keep)]):
            result = forward_kept_in_a_list()
        kept.clear()
        return result

    seconds = times(
        {
            "run_with_cache": lambda: ours.run_with_cache(tokens),
            "kept in a list": in_a_list,
            "plain forward": lambda: ours(tokens),
            "the reference": lambda: theirs.run_with_cache(tokens),
        },
        rounds,
    )
    cached = "run_with_cache"
    return [
        ("run_with_cache / kept in a list", ratio(seconds, cached, "kept in a list"), "<=", 1.03),
        ("run_with_cache / the reference's", ratio(seconds, cached, "the reference"), "<=", 1.0),
        ("run_with_cache / plain forward", ratio(seconds, cached, "plain forward"), "", 0.0),
    ]


def arithmetic_rows(rounds: int) -> list[tuple[str, float, str, float]]:
    """What the analyses cost, against their bare arithmetic and against the reference."""
    ours, theirs, tokens = pair()
    _, cache = ours.run_with_cache(tokens)
    _, peer = theirs.run_with_cache(tokens)
    parts = ["hook_embed", "hook_pos_embed"]
    parts += [f"blocks.{b}.hook_{w}_out" for b in range(6) for w in ("attn", "mlp")]
    answers = torch.randint(SHAPE["d_vocab"], tokens.shape)
    flat = answers[:, -1]  # the reference takes a token an item

    def peer_heads() -> torch.Tensor:
        for name in [name for name in peer.cache_dict if name.endswith("hook_result")]:
            del peer.cache_dict[name]  # it keeps them: each round is to start alike
        return peer.stack_head_results()

    def bare() -> torch.Tensor:
        """The same arithmetic and nothing else: carry back, meet W_O, meet z."""
        directions = ours.W_U.T[flat][:, None] * ours.ln_final.w
        directions = directions - directions.mean(-1, keepdim=True)
        z = torch.stack([cache["z", block] for block in range(6)])
        reads = einsum(directions, ours.W_O, "b q m, l h d m -> l b q h d")
        met = einsum(z, reads[:, :, 0], "l b q h d, l b h d -> l h b q")
        return rearrange(met, "l h b q -> (l h) b q") / cache["ln_final.hook_scale"][..., 0]

    fused = cache.head_logit_attrs(flat)
    torch.testing.assert_close(bare(), fused, atol=1e-5, rtol=1e-4)
    seconds = times(
        {
            "decompose": cache.decompose_resid,
            "stack": lambda: torch.stack([cache.cache_dict[name] for name in parts]),
            "decompose, ln": lambda: cache.decompose_resid(apply_ln=True),
            "heads": cache.stack_head_results,
            "head attributions": lambda: cache.head_logit_attrs(flat),
            "bare": bare,
            "ref decompose": lambda: peer.decompose_resid(),
            "ref decompose, ln": lambda: peer.decompose_resid(apply_ln=True),
            "ref heads": peer_heads,
            "ref head attributions": lambda: peer.logit_attrs(peer_heads(), flat[:1]),
        },
        rounds,
    )
    built = peak_bytes(cache.stack_head_results)
    lean = peak_bytes(lambda: cache.head_logit_attrs(flat))

    def by(above: str, below: str) -> float:
        return ratio(seconds, above, below)

    return [
        ("decompose_resid / torch.stack", by("decompose", "stack"), "<=", 1.1),
        ("  the reference's", by("ref decompose", "stack"), "", 0.0),
        ("decompose_resid(apply_ln=True) / torch.stack", by("decompose, ln", "stack"), "<=", 3.5),
        ("  the reference's", by("ref decompose, ln", "stack"), "", 0.0),
        ("the reference's stack_head_results / ours", by("ref heads", "heads"), ">=", 40.0),
        (
            "the reference's head attributions / ours",
            by("ref head attributions", "head attributions"),
            ">=",
            80.0,
        ),
        ("head_logit_attrs / bare arithmetic", by("head attributions", "bare"), "<=", 1.5),
        ("peak memory, built / fused", built / lean, ">=", 20.0),
    ]


GROWTH = {"n_layers": [2, 4, 8, 16], "n_heads": [4, 8, 16, 32], "n_ctx": [64, 128, 256, 512]}


def growth(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds and peak bytes of fused and built head attribution against each size of the model."""
    found: dict[str, dict[str, list[float]]] = {}
    for axis, sizes in GROWTH.items():
        rows: dict[str, list[float]] = {"size": [float(size) for size in sizes]}
        for size in sizes:
            shape = {"n_layers": 4, axis: size}
            cfg = HookedTransformerConfig(**{**SHAPE, **shape}, act_fn="gelu_new", seed=0)
            model = HookedTransformer(cfg)
            _, cache = model.run_with_cache(torch.randint(cfg.d_vocab, (4, cfg.n_ctx)))
            works = {
                "fused": lambda cache=cache: cache.head_logit_attrs(7),
                "built": lambda cache=cache: cache.logit_attrs(cache.stack_head_results(), 7),
            }
            seconds = times(works, rounds)
            for name, work in works.items():
                rows.setdefault(f"{name} seconds", []).append(sorted(seconds[name])[rounds // 2])
                rows.setdefault(f"{name} bytes", []).append(float(peak_bytes(work)))
        found[axis] = rows
    return found


def plot(found: dict[str, dict[str, list[float]]], file: Path) -> None:
    """Growth as six small pictures: time above, memory below."""
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(2, len(found), figsize=(9, 5), layout="constrained")
    for column, (axis, rows) in enumerate(found.items()):
        for line, unit in enumerate(("seconds", "bytes")):
            for name in ("built", "fused"):
                grid[line][column].loglog(rows["size"], rows[f"{name} {unit}"], "o-", label=name)
            grid[line][column].set(xlabel=axis, ylabel=unit)
            grid[line][column].legend()
    figure.savefig(file)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: is it in order at all?")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--plot", type=Path, help="draw the growth there")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rounds = 5 if args.quick else 41
    with torch.no_grad():
        rows = hook_rows(5 * rounds) + arithmetic_rows(rounds)
        found = growth(max(3, rounds // 4))
    table = Table("what", "ratio", "aim", title="one thread, medians of ratios in one round")
    for what, value, sign, aim in rows:
        kept = {"<=": value <= aim, ">=": value >= aim, "": True}[sign]
        table.add_row(what, f"{value:.3g}", f"{sign} {aim:g}" if sign else "", end_section=False,
                      style=None if kept else "red")  # fmt: skip
    Console().print(table)
    grows = Table("axis", "measure", "exponent", title="growth: value ~ size ** exponent")
    for axis, measured in found.items():
        for measure in list(measured)[1:]:
            exponent = line_fit([int(size) for size in measured["size"]], measured[measure])
            grows.add_row(axis, measure, f"{exponent:.2f}")
    Console().print(grows)
    if args.json:
        figures = [dict(zip(("what", "ratio", "sign", "aim"), row, strict=True)) for row in rows]
        args.json.write_text(json.dumps({"ratios": figures, "growth": found}, indent=2) + "\n")
    if args.plot:
        plot(found, args.plot)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
