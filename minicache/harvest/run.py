"""Run a model over a whole data set, and write each token's activations to shards.

`texts.py` reads the data set. `shards.py` writes the files: their bytes are the same after a kill
and for any number of processes.
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
    """Write this process's share of the shards, except those that are there already.

    Nothing happens before the first shard is asked for. At most one shard and one batch are in
    memory. The model stays where it is.

    Args:
        rank: The number of this process, from 0. It writes shards rank, rank + world, ..
        world: How many processes there are.

    Yields:
        Every shard in order, those of other processes too, when this process has passed it.

    Raises:
        ConfigError, DataError: the folder holds another harvest. Nothing has been written then.
        DataError: the data set has changed since the survey. The shards before the change stay.
        TokenError: an item cannot be read; the message has its number. The shards before it stay.
        OSError: a shard cannot be written.
    """
    claim(shards, plan)
    missing = {shard for shard in shards[rank::world] if not is_there(shard, plan)}
    items = source()
    for shard in shards:
        of_shard = list(islice(items, shard.items))
        if shard in missing:
            if hash_texts(of_shard) != shard.texts:
                raise DataError(
                    f"The data set changed while it was read: items from {shard.first_item} on "
                    f"differ from the first reading. Run the same command again, into another "
                    f"folder."
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
    tensors = {"tokens": torch.cat(tokens).cpu(), "offsets": offsets}
    for name in plan.names:
        shape = (int(offsets[-1]), *row_shape(model.cfg, name, plan.pos))
        tensors[name] = torch.empty(shape, dtype=getattr(torch, plan.dtype))
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
            tensors[name][offsets[start] : offsets[end]] = rows[real.to(rows.device)]
    return tensors, sum(len(row) > plan.pos for row in whole)


def _tokens(model: HookedTransformer, text: str, number: int) -> Tensor:
    bos = model.tokenizer is None or model.tokenizer.bos_token_id is not None
    try:
        return model.to_tokens(text, prepend_bos=bos)[0]
    except TokenError as error:
        raise TokenError(f"Item {number}, counted from 0: {error}") from None


def _rows(name: str, activation: Tensor, pos: int) -> Tensor:
    """An activation as [batch, pos, ..]: a row for each token. Keys are filled up to `pos`."""
    rows = activation.movedim(pos_axis(name), 1)
    if axes_of(name)[-1] != "key":
        return rows
    unseen = 0.0 if name.endswith("pattern") else -torch.inf
    return F.pad(rows, (0, pos - rows.shape[-1]), value=unseen)


def _stop(names: tuple[str, ...]) -> int | None:
    """The layer before which a run may stop, because all of these activations come before it."""
    if any(name.startswith(("ln_final", "unembed")) for name in names):
        return None
    layers = (split_act_name(name)[0] for name in names)
    return 1 + max((layer for layer in layers if layer is not None), default=-1)


def estimate(model: HookedTransformer, source: Source, plan: Plan) -> str:
    """What a harvest would cost: its tokens counted, its bytes computed, its time extrapolated.

    The time is that of the first batch, times the number of batches.
    """
    start = perf_counter()
    first, _ = gather(model, list(islice(source(), plan.batch)), plan)
    speed = len(first["tokens"]) / (perf_counter() - start)
    rows = [min(len(_tokens(model, text, n)), plan.pos) for n, text in enumerate(source())]
    each = bytes_a_token(model.cfg, plan.names, plan.pos, plan.dtype)
    return (
        f"{len(rows):,} items, {sum(rows):,} tokens of {each:,} bytes: "
        f"{sum(rows) * each / 1e6:,.2f} MB.\n"
        f"The first batch ran at {speed:,.0f} tokens a second.\n"
        f"At that speed, one process needs {_duration(sum(rows) / speed)}.\n"
        f"Nothing was written."
    )


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return str(timedelta(seconds=whole)) if whole else "less than a second"
