"""`python -m minicache harvest`: activations over a whole data set, one row a token, in shards.

Run the same command after a kill, and what is missing is made. Run it by `torchrun`, and each
process makes its share of the shards: the bytes are the same, whatever the number of processes.
`shards.py` says why that holds, and `texts.py` reads the data set. Lesson 14 tells the story.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, distributed
from torch.nn.utils.rnn import pad_sequence

from minicache.apps.shards import (
    DTYPES,
    Plan,
    Shard,
    Source,
    bytes_a_token,
    is_there,
    row_shape,
    survey,
    write,
    write_index,
)
from minicache.apps.texts import texts
from minicache.apps.tour import device_named
from minicache.guards import MinicacheError, TokenError
from minicache.model import HookedTransformer
from minicache.names import pos_axis, split_act_name

__all__ = ["harvest", "main"]


def harvest(
    model: HookedTransformer,
    source: Source,
    shards: list[Shard],
    plan: Plan,
    progress: Progress,
    rank: int = 0,
    world: int = 1,
) -> None:
    """Make this process's share of the shards: those that are not there yet.

    At most one shard and one batch are in memory. The model stays where it is.

    Args:
        rank: The number of this process. Every world-th shard is its own.
        world: How many processes there are.

    Raises:
        ConfigError, DataError: the folder holds another harvest. Nothing has been written then.
        TokenError: an item cannot be read; the message has its number. Shards before it stay.
        OSError: the disk does not take a shard.
    """
    missing = {shard for shard in shards if not is_there(shard, plan)}  # all, before any work
    shards[0].file.parent.mkdir(parents=True, exist_ok=True)
    task = progress.add_task("items", total=sum(shard.items for shard in shards))
    items = source()
    for number, shard in enumerate(shards):
        of_shard = list(islice(items, shard.items))
        if shard in missing and number % world == rank:
            write(shard, plan, *gather(model, of_shard, plan, shard.first_item))
        progress.update(task, advance=shard.items)


@torch.no_grad()
def gather(
    model: HookedTransformer, items: list[str], plan: Plan, first_item: int = 0
) -> tuple[dict[str, Tensor], int]:
    """The rows of these items, and how many items were longer than `plan.pos`.

    Returns:
        `tokens` [token]; `offsets` [item + 1]: the rows of item i are offsets[i] to offsets[i + 1];
        and each activation of the plan [token, ..], on the CPU in the plan's dtype.
    """
    whole = [_tokens(model, text, number) for number, text in enumerate(items, first_item)]
    tokens = [row[: plan.pos] for row in whole]
    lengths = torch.tensor([len(row) for row in tokens])
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    made = {"tokens": torch.cat(tokens).cpu(), "offsets": offsets}
    for name in plan.names:
        shape = (int(offsets[-1]), *row_shape(model.cfg, name, plan.pos))
        made[name] = torch.empty(shape, dtype=getattr(torch, plan.dtype))
    for start in range(0, len(tokens), plan.batch):
        end = min(start + plan.batch, len(tokens))
        padded = pad_sequence(tokens[start:end], batch_first=True)  # no token looks that far on
        _, cache = model.run_with_cache(
            padded, names_filter=plan.names, stop_at_layer=_stop(plan.names)
        )
        real = torch.arange(padded.shape[1]) < lengths[start:end, None]
        for name in plan.names:
            rows = _rows(name, cache[name], plan.pos)
            made[name][offsets[start] : offsets[end]] = rows[real.to(rows.device)]
    return made, sum(len(row) > plan.pos for row in whole)


def _tokens(model: HookedTransformer, text: str, number: int) -> Tensor:
    try:
        return model.to_tokens(text)[0]
    except TokenError as error:
        raise TokenError(f"Item {number}, counted from 0: {error}") from None


def _rows(name: str, activation: Tensor, pos: int) -> Tensor:
    """An activation as [batch, pos, ..]: a row for each token, and all rows of one shape."""
    rows = activation.movedim(pos_axis(name), 1)
    if not name.endswith(("pattern", "attn_scores")):
        return rows
    unseen = 0.0 if name.endswith("pattern") else -torch.inf
    return F.pad(rows, (0, pos - rows.shape[-1]), value=unseen)


def _stop(names: tuple[str, ...]) -> int | None:
    """The layer before which a run may stop, and still has passed all of these."""
    if any(name.startswith(("ln_final", "unembed")) for name in names):
        return None
    layers = (split_act_name(name)[0] for name in names)
    return 1 + max((layer for layer in layers if layer is not None), default=-1)


def estimate(model: HookedTransformer, source: Source, plan: Plan) -> str:
    """What a harvest would cost: tokens counted, bytes by the formula, time by one batch."""
    start = perf_counter()
    made, _ = gather(model, list(islice(source(), plan.batch)), plan)
    speed = len(made["tokens"]) / (perf_counter() - start)
    rows = [min(len(_tokens(model, text, n)), plan.pos) for n, text in enumerate(source())]
    each = bytes_a_token(model.cfg, plan.names, plan.pos, plan.dtype)
    return (
        f"{len(rows):,} items, {sum(rows):,} tokens of {each:,} bytes: "
        f"{sum(rows) * each / 1e6:,.2f} MB.\n"
        f"The first batch ran at {speed:,.0f} tokens a second.\n"
        f"At that speed, one process needs {timedelta(seconds=round(sum(rows) / speed))}.\n"
        f"Nothing was written."
    )


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
