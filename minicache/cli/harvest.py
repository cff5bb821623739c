"""Write the activations of a whole data set to files: `python -m minicache harvest`.

A shard has a row for each token. After a kill, run the same command again: only missing shards are
computed. Under `torchrun`, each process writes its share of the shards. The bytes are the same for
any number of processes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import distributed

from minicache.cli.options import Screen, load_model
from minicache.errors import MinicacheError
from minicache.harvest.plan import Plan
from minicache.harvest.run import estimate, harvest
from minicache.harvest.shards import survey, write_index
from minicache.harvest.texts import texts

__all__ = ["run"]


@contextmanager
def _process_group() -> Iterator[tuple[int, int]]:
    """Join the processes that `torchrun` started. Gives this process's rank, and their number.

    The processes exchange no tensors, only a barrier, so the gloo backend is enough everywhere.
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
    except RuntimeError:  # gloo raises it when another process has ended
        raise MinicacheError(
            "Another process of this harvest stopped, so this one stops too. The other's message "
            "says why. Run the same command again to go on."
        ) from None


def run(args: argparse.Namespace) -> int:
    """The command `harvest`."""
    torch.set_num_threads(1)  # more threads add in another order, and the last bits differ
    if args.device == "cuda":  # pragma: no cover  # only where there is CUDA
        args.device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    with _process_group() as (rank, world):
        model = load_model(args)
        plan = Plan.of(model, args.names, args.pos, args.batch, args.items_per_shard, args.dtype)
        source = partial(texts, args.data, args.field, args.split, args.subset)
        shards = survey(source, args.out, plan.items_per_shard)
        if args.dry_run:
            print(estimate(model, source, plan))
            return 0
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        screen = Screen(stderr=True)
        no_bar = rank > 0 or not screen.is_terminal
        with Progress(*columns, TimeRemainingColumn(), console=screen, disable=no_bar) as progress:
            task = progress.add_task("items", total=sum(shard.items for shard in shards))
            for shard in harvest(model, source, shards, plan, rank, world):
                progress.update(task, advance=shard.items)
        _wait_for_all(world)
        if rank == 0:
            index = write_index(shards, plan, model.cfg)
            size = sum(shard.file.stat().st_size for shard in shards)
            print(
                f"{index['items']:,} items, {index['tokens']:,} tokens, {len(plan.names)} "
                f"activations: {size / 1e6:,.2f} MB in {len(shards)} shards.\n"
                f"{index['cut']:,} items were cut off at {plan.pos} tokens. "
                f"{args.out / 'index.json'} lists all."
            )
    return 0
