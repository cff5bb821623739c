"""Path patching: the effect of one part on what particular heads read, all between held fixed.

A patch changes everything that comes after it. Path patching asks for one path: from a sender (a
head, an MLP, an embedding) straight to the queries, keys or values of receiving heads [Wang et al.
2022; Goldowsky-Dill et al. 2023]. It is short because the stream is a sum: with all between held
fixed, what a receiver reads changes by what the sender writes, clean less corrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minicache.analysis.components import get_full_resid_decomposition
from minicache.analysis.patching.ablation import heads_by_layer
from minicache.analysis.patching.runs import (
    Base,
    Metric,
    Patchable,
    batches,
    check_token_tensor,
    measure,
    shown,
)
from minicache.analysis.patching.sweeps import check_same_shape
from minicache.analysis.protocols import Cached
from minicache.errors import ConfigError
from minicache.names import get_act_name

__all__ = ["path_patching"]


def path_patching(
    model: Patchable,
    corrupted_tokens: Int[Tensor, "batch pos"],
    clean_cache: Cached,
    patching_metric: Metric,
    senders: Sequence[str | Sequence[str]],
    receivers: Sequence[str],
    receiver_input: Literal["q", "k", "v"],
    *,
    batch_size: int | None = None,
    progress: bool = False,
) -> Float[Tensor, " sender"]:
    """The metric of the corrupted run with one path at a time carrying the clean run's message.

    The receivers read the corrupted stream with the sender's output made clean, and nothing else;
    from there on the model runs freely. Senders at or after a receiver have no path to it.

    Args:
        corrupted_tokens: What the patched runs read.
        clean_cache: A run of other tokens of the same shape.
        patching_metric: From logits [batch, pos, d_vocab] to one number.
        senders: Labels as `get_full_resid_decomposition` gives them, `L0H1`, `1_mlp_out`, `embed`,
            `pos_embed`; or a list of them in place of one, for senders patched together.
        receivers: Heads, `L2H0`, all patched at once.
        receiver_input: Their queries, keys or values.
        batch_size: See `generic_activation_patch`.
        progress: Show a progress bar.

    Raises:
        ConfigError: there is no path from a sender to any receiver, or `receiver_input` is unknown.
        UnknownActivationError: a receiver is no head.
        BatchSizeError: the clean run has other shapes than the corrupted one.
    """
    tokens = check_token_tensor(corrupted_tokens)
    if receiver_input not in ("q", "k", "v"):
        raise ConfigError(f"receiver_input={receiver_input!r}: give 'q', 'k' or 'v'.")
    heads = heads_by_layer(model, receivers)
    groups = [[sender] if isinstance(sender, str) else list(sender) for sender in senders]
    plan = batches([min(heads)] * len(groups), tokens, batch_size)
    with torch.no_grad():
        _, corrupted_cache = model.run_with_cache(tokens)
        messages = {layer: _messages(clean_cache, corrupted_cache, layer) for layer in heads}
        _check_senders(groups, messages[max(heads)])
        base = Base.record(model, tokens, heads)
        values: list[Tensor] = []
        for first, picked in shown(plan, "patching paths", progress):
            hooks = []
            for layer, indices in heads.items():
                sent = [_sum(messages[layer], groups[index]) for index in picked]
                read = _inputs(base, layer, receiver_input, torch.cat(sent))
                put = partial(_put, indices=indices, source=read)
                hooks.append((get_act_name(receiver_input, layer), put))
            logits = base.run(first, len(picked), hooks)
            values += [
                measure(patching_metric, one) for one in torch.split(logits, tokens.shape[0])
            ]
    return torch.stack(values)


def _messages(clean: Cached, corrupted: Cached, layer: int) -> dict[str, Tensor]:
    """By how much each part before a layer changes the stream there, clean less corrupted."""
    asked: dict[str, Any] = dict(layer=layer, expand_neurons=False, return_labels=True)
    (to, labels), (now, _) = (
        get_full_resid_decomposition(cache, **asked) for cache in (clean, corrupted)
    )
    check_same_shape(now, to)
    return dict(zip(labels, to.to(now) - now, strict=True))


def _check_senders(groups: Sequence[Sequence[str]], before_last: dict[str, Tensor]) -> None:
    unknown = [sender for sender in chain(*groups) if sender not in before_last]
    if unknown or not groups or not all(groups):
        raise ConfigError(
            f"senders={unknown or groups}: these have no path to the receivers. "
            f"Give some of {', '.join(before_last)}."
        )


def _sum(messages: dict[str, Tensor], group: Sequence[str]) -> Tensor:
    """What several senders change together; those after the receiver change nothing."""
    nothing = torch.zeros_like(next(iter(messages.values())))
    return sum((messages[sender] for sender in dict.fromkeys(group) if sender in messages), nothing)


def _inputs(base: Base, layer: int, name: str, sent: Tensor) -> Tensor:
    """What the heads of a layer read, with `sent` added to the stream before it."""
    read: list[Tensor] = []

    def add(stream: Tensor, hook: object) -> Tensor:
        return stream + sent

    def keep(activation: Tensor, hook: object) -> None:
        read.append(activation)

    hooks = [(get_act_name("resid_pre", layer), add), (get_act_name(name, layer), keep)]
    base.run(layer, len(sent) // len(base.tokens), hooks, stop=layer + 1)
    return read[0]


def _put(activation: Tensor, hook: object, indices: list[int], source: Tensor) -> Tensor:
    patched = activation.clone()
    patched[:, :, indices] = source[:, :, indices]
    return patched
