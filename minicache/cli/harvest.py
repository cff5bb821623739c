"""`python -m minicache harvest`: activations over a whole data set, one row a token, in shards.

Run the same command after a kill, and what is missing is made. Run it by `torchrun`, and each
process makes its share of the shards: the bytes are the same, whatever the number of processes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import distributed

from minicache.cli.options import device_named
from minicache.errors import MinicacheError
from minicache.harvest.run import estimate, harvest
from minicache.harvest.shards import DTYPES, Plan, survey, write_index
from minicache.harvest.texts import texts
from minicache.model import HookedTransformer

__all__ = ["main"]


@contextmanager
def _together() -> Iterator[tuple[int, int]]:
    """This process's number, and how many there are. All leave together.

    Only their leaving is shared, and no tensor, so gloo does on every machine.
    """
    if not distributed.is_torchelastic_launched():
        yield 0, 1
        return
    distributed.init_process_group("gloo", timeout=timedelta(days=30))
    try:
        yield distributed.get_rank(), distributed.get_world_size()
    finally:
        distributed.destroy_process_group()


def _wait_for_all(world: int) -> None:
    try:
        if world > 1:
            distributed.barrier()
    except RuntimeError:  # what gloo raises when a peer is gone
        raise MinicacheError(
            "Another process of this harvest stopped, so this one stops too; its own line says "
            "why. Run the same command again to go on."
        ) from None


def main(argv: list[str] | None = None) -> int:
    """The command line of `python -m minicache harvest`."""
    args = _parser().parse_args(argv)
    torch.set_num_threads(1)  # with more, sums are made in another order, and the last bits differ
    local = os.environ.get("LOCAL_RANK", "0")
    device = device_named(f"cuda:{local}" if args.device == "cuda" else args.device)
    with _together() as (rank, world):
        model = HookedTransformer.from_pretrained(args.model, args.revision).to(device)
        plan = Plan.of(model, args.names, args.pos, args.batch, args.items_per_shard, args.dtype)
        source = partial(texts, args.data, args.field, args.split, args.subset)
        shards = survey(source, args.out, plan.items_per_shard)
        if args.dry_run:
            print(estimate(model, source, plan))
            return 0
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        screen = Console(stderr=True)
        unseen = rank > 0 or not screen.is_terminal
        with Progress(*columns, TimeRemainingColumn(), console=screen, disable=unseen) as progress:
            harvest(model, source, shards, plan, progress, rank, world)
        _wait_for_all(world)
        if rank == 0:
            index = write_index(shards, plan, model.cfg)
            size = sum(file.stat().st_size for file in args.out.glob("*.safetensors"))
            print(
                f"{index['items']:,} items, {index['tokens']:,} tokens, {len(plan.names)} "
                f"activations: {size / 1e6:,.2f} MB in {len(shards)} shards.\n"
                f"{index['cut']:,} items were cut off at {plan.pos} tokens. "
                f"{args.out / 'index.json'} lists all."
            )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m minicache harvest",
        description="Write the activations of a whole data set to files, a row a token.",
        epilog="After a kill, run the same command again. For more processes: "
        "torchrun --nproc-per-node 4 -m minicache harvest ..",
    )
    parser.add_argument("data", help="a text file (an item a line), .jsonl, or a data set")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument(
        "--names", nargs="+", required=True, help="q3, resid_post2, 'blocks.*.hook_z', .."
    )
    parser.add_argument("--model", help="a folder or a name on the hub (default: the shipped one)")
    parser.add_argument("--revision", help="of a model on the hub")
    parser.add_argument("--field", default="text", help="where a row keeps its text")
    parser.add_argument("--split", default="train", help="of a data set with several")
    parser.add_argument("--subset", help="of a data set on the hub with several")
    parser.add_argument(
        "--pos", type=int, help="the most tokens of an item (default: all of n_ctx)"
    )
    parser.add_argument("--batch", type=int, default=32, help="items run at once")
    parser.add_argument("--items-per-shard", type=int, default=256)
    parser.add_argument("--dtype", default="float32", choices=DTYPES, help="of what is written")
    parser.add_argument("--device", default="cpu", help="where to run; 'cuda' spreads processes")
    parser.add_argument("--dry-run", action="store_true", help="say what it would cost")
    return parser
