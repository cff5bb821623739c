"""Run a model over a whole data set, and write each token's activations to shards.

`shards.py` says why the bytes do not depend on kills or on the number of processes, and `texts.py`
reads the data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from minicache.errors import DataError, TokenError
from minicache.harvest.plan import Plan, bytes_a_token, row_shape
from minicache.harvest.shards import Shard, Source, claim, hash_texts, is_there, write
from minicache.model import HookedTransformer
from minicache.names import axes_of, pos_axis, split_act_name

__all__ = ["estimate", "gather", "harvest"]


def harvest(
    model: HookedTransformer,
    source: Source,
    shards: list[Shard],
    plan: Plan,
    rank: int = 0,
    world: int = 1,
) -> Iterator[Shard]:
    """Make this process's share of the shards: those that are not there yet.

    Nothing happens before the first shard is asked for. At most one shard and one batch are in
    memory. The model stays where it is.

    Args:
        rank: The number of this process. Every world-th shard is its own.
        world: How many processes there are.

    Yields:
        Each shard of all, in order, when this process is done with it.

    Raises:
        ConfigError, DataError: the folder holds another harvest. Nothing has been written then.
        DataError: the data set has changed since the survey. Shards before it stay.
        TokenError: an item cannot be read; the message has its number. Shards before it stay.
        OSError: the disk does not take a shard.
    """
    claim(shards, plan)
    missing = {shard for shard in shards[rank::world] if not is_there(shard, plan)}
    items = source()
    for shard in shards:
        of_shard = list(islice(items, shard.items))
        if shard in missing:
            if hash_texts(of_shard) != shard.texts:
                raise DataError(
                    f"The data set changed while it was read: items from {shard.first_item} on are "
                    f"others than a moment ago. Run the same command again, into another folder."
                )
            write(shard, plan, *gather(model, of_shard, plan, shard.first_item))
        yield shard


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
        # The padding is on the right, so under the causal mask no token attends to it.
        padded = pad_sequence(tokens[start:end], batch_first=True)
        _, cache = model.run_with_cache(
            padded, names_filter=plan.names, stop_at_layer=_stop(plan.names)
        )
        real = torch.arange(padded.shape[1]) < lengths[start:end, None]
        for name in plan.names:
            rows = _rows(name, cache[name], plan.pos)
            made[name][offsets[start] : offsets[end]] = rows[real.to(rows.device)]
    return made, sum(len(row) > plan.pos for row in whole)


def _tokens(model: HookedTransformer, text: str, number: int) -> Tensor:
    bos = model.tokenizer is None or model.tokenizer.bos_token_id is not None
    try:
        return model.to_tokens(text, prepend_bos=bos)[0]
    except TokenError as error:
        raise TokenError(f"Item {number}, counted from 0: {error}") from None


def _rows(name: str, activation: Tensor, pos: int) -> Tensor:
    """An activation as [batch, pos, ..]: a row for each token, and all rows of one shape."""
    rows = activation.movedim(pos_axis(name), 1)
    if axes_of(name)[-1] != "key":
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
