"""Run a model over a whole data set, and write each token's activations to shards.

`texts.py` reads the data set, and `shards.py` writes the files. Their bytes do not depend on the
number of processes, nor on whether one was killed and started again.
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
from minicache.harvest.shards import Shard, Source, claim, hash_texts, is_complete, write
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
    """Write this process's share of the shards, except those that are complete already.

    This is a generator: nothing happens before its first shard is asked for. At most one shard and
    one batch are in memory. The model stays where it is.

    Args:
        source: Starts reading the texts from the beginning, each time it is called.
        shards: All shards of the data set, from `survey`.
        rank: The number of this process, from 0. It writes shards rank, rank + world, ..
        world: How many processes there are.

    Yields:
        Every shard in order, also those that other processes write, for a progress bar.

    Raises:
        ConfigError: the folder holds a harvest with another plan. Nothing has been written then.
        DataError: the folder holds a harvest of other texts, and nothing has been written; or the
            texts have changed since `survey`, and the shards before the change stay.
        TokenError: an item cannot be turned into tokens; the message has its number. The shards
            before it stay.
        OSError: a shard cannot be written.
    """
    claim(shards, plan)
    missing = {shard for shard in shards[rank::world] if not is_complete(shard, plan)}
    items = source()
    for shard in shards:
        shard_items = list(islice(items, shard.items))
        if shard in missing:
            if hash_texts(shard_items) != shard.texts:
                raise DataError(
                    f"The data set changed while it was read: items from {shard.first_item} on "
                    f"differ from the first reading. Run the same command again, into another "
                    f"folder."
                )
            write(shard, plan, *gather(model, shard_items, plan, shard.first_item))
        yield shard


@torch.no_grad()
def gather(
    model: HookedTransformer, items: list[str], plan: Plan, first_item: int = 0
) -> tuple[dict[str, Tensor], int]:
    """Run the model on these items, and collect a row of each activation for each token.

    Args:
        first_item: The number of the first item in the data set, for error messages.

    Returns:
        A dictionary on the CPU, and how many items were longer than `plan.pos`. The dictionary has
        `tokens` [token]; `offsets` [item + 1], so that item i has rows offsets[i] to
        offsets[i + 1]; and each activation of the plan, [token, ..] in the plan's dtype.
    """
    uncut = [_tokenize(model, text, number) for number, text in enumerate(items, first_item)]
    tokens = [row[: plan.pos] for row in uncut]
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
            padded, names_filter=plan.names, stop_at_layer=_find_stop(plan.names)
        )
        real = torch.arange(padded.shape[1]) < lengths[start:end, None]
        for name in plan.names:
            rows = _move_pos_first(name, cache[name], plan.pos)
            tensors[name][offsets[start] : offsets[end]] = rows[real.to(rows.device)]
    return tensors, sum(len(row) > plan.pos for row in uncut)


def _tokenize(model: HookedTransformer, text: str, number: int) -> Tensor:
    has_bos = model.tokenizer is None or model.tokenizer.bos_token_id is not None
    try:
        return model.to_tokens(text, prepend_bos=has_bos)[0]
    except TokenError as error:
        raise TokenError(f"Item {number}, counted from 0: {error}") from None


def _move_pos_first(name: str, activation: Tensor, pos: int) -> Tensor:
    """Rearrange an activation to [batch, pos, ..]. A key axis is padded to `pos` keys."""
    rows = activation.movedim(pos_axis(name), 1)
    if axes_of(name)[-1] != "key":
        return rows
    masked_value = 0.0 if name.endswith("pattern") else -torch.inf
    return F.pad(rows, (0, pos - rows.shape[-1]), value=masked_value)


def _find_stop(names: tuple[str, ...]) -> int | None:
    """Find the first layer that none of these activations needs. None: run the whole model."""
    if any(name.startswith(("ln_final", "unembed")) for name in names):
        return None
    layers = (split_act_name(name)[0] for name in names)
    return 1 + max((layer for layer in layers if layer is not None), default=-1)


def estimate(model: HookedTransformer, source: Source, plan: Plan) -> str:
    """Estimate a harvest's cost, as text: count its tokens, compute its bytes, time one batch.

    The time assumes that all tokens take as long as those of the first batch.
    """
    start = perf_counter()
    first, _ = gather(model, list(islice(source(), plan.batch)), plan)
    speed = len(first["tokens"]) / (perf_counter() - start)
    lengths = [min(len(_tokenize(model, text, n)), plan.pos) for n, text in enumerate(source())]
    total = sum(lengths)
    token_bytes = bytes_a_token(model.cfg, plan.names, plan.pos, plan.dtype)
    return (
        f"{len(lengths):,} items, {total:,} tokens of {token_bytes:,} bytes: "
        f"{total * token_bytes / 1e6:,.2f} MB.\n"
        f"The first batch ran at {speed:,.0f} tokens a second.\n"
        f"At that speed, one process needs {_format_duration(total / speed)}.\n"
        f"Nothing was written."
    )


def _format_duration(seconds: float) -> str:
    rounded = round(seconds)
    return str(timedelta(seconds=rounded)) if rounded else "less than a second"
