"""Score every head by where it looks: at the token before, or as an induction head does.

Each score is a mean of attention, 0 to 1, over items and positions. It says where a head looks, and
not what the model needs: for that, ablate the head.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from minicache.analysis.protocols import Cached
from minicache.errors import ArgumentValueError

__all__ = ["induction_score", "previous_token_score"]


def previous_token_score(cache: Cached, prepend_bos: bool = True) -> Float[Tensor, "layer head"]:
    """How much each head attends to the token before.

    Args:
        prepend_bos: The run began with a BOS token. The look back at it is not counted.

    Raises:
        ArgumentValueError: the run is too short to score.
        MissingActivationError: a pattern was not kept.
    """
    return _mean_attention(cache, back=1, first=1 + prepend_bos)


def induction_score(
    cache: Cached, period: int, prepend_bos: bool = True
) -> Float[Tensor, "layer head"]:
    """How much each head attends to the token *after* the last occurrence of its query's token.

    It is for a run on tokens that repeat: random ones, `period` of them, and then the same again
    [Olsson et al. 2022]. Only queries of the repetition count.

    Args:
        period: After how many tokens each token comes again.
        prepend_bos: The run began with a BOS token, which is not part of what repeats.

    Raises:
        ArgumentValueError: `period` is below 1, or the run is too short to repeat anything.
        MissingActivationError: a pattern was not kept.
    """
    if period < 1:
        raise ArgumentValueError(f"period={period}: tokens come again after 1 or more.")
    return _mean_attention(cache, back=period - 1, first=period + prepend_bos)


def _mean_attention(cache: Cached, back: int, first: int) -> Float[Tensor, "layer head"]:
    """The mean attention to the key `back` positions before, of queries from `first` on."""
    scores = []
    for layer in range(cache.model.cfg.n_layers):
        pattern = cache["pattern", layer]
        pos = pattern.shape[-2]
        if pos <= first:
            raise ArgumentValueError(
                f"This run has {pos} positions, and the score needs queries from position {first} "
                f"on."
            )
        queries = torch.arange(first, pos, device=pattern.device)
        looked = pattern[..., queries, queries - back]
        scores.append(looked.mean((0, -1) if cache.has_batch_dim else -1))
    return torch.stack(scores)
