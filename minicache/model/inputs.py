"""Check tokens, tell padding from text, and score next tokens.

A model's input comes from outside, so all of it is checked here, before any work. Tensors have no
values while `torch.compile` or `torch.export` traces, and on the meta device. There, checks that
need values are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from minicache.errors import ConfigError, ShapeError, TokenError, describe, logger
from minicache.model.tokenizers import Tokenizer

__all__ = [
    "as_ids",
    "check_has_target",
    "check_ids",
    "check_stream",
    "check_tokens",
    "next_token_loss",
    "real_tokens",
]

IGNORE_INDEX: Final = -100  # cross_entropy's default: a target that does not count
INTS: Final = {
    *(torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint8, torch.uint16, torch.uint32, torch.uint64),
}


def as_ids(given: Any, device: torch.device | None = None) -> Tensor:
    """Ints, or nested lists or an array of them, as a tensor.

    Raises:
        TokenError: they are no tokens, or the lists are of different lengths.
    """
    try:
        return torch.as_tensor(given, device=device)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TokenError(
            f"{describe(given)} is not tokens. Give an id, lists of ids of equal length, or a "
            f"tensor of ids."
        ) from None


def check_ids(ids: Tensor, d_vocab: int) -> Int[Tensor, "*batch"]:
    """The ids as int64.

    Raises:
        TokenError: they are no ints, or the vocabulary does not have them.
    """
    if ids.dtype not in INTS:
        raise TokenError(f"Tokens are ints, and these are {ids.dtype}.")
    ids = ids.long()
    if ids.numel() and _has_values(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < d_vocab:
        raise TokenError(
            f"Tokens run from 0 to {d_vocab - 1}, and these from {int(ids.min())} "
            f"to {int(ids.max())}."
        )
    return ids


def check_tokens(tokens: Tensor, d_vocab: int, n_ctx: int) -> Int[Tensor, "batch pos"]:
    """The tokens as int64, with a batch axis.

    Raises:
        TokenError: there are none, more than the model reads, or not all in the vocabulary.
    """
    if tokens.ndim not in (1, 2) or tokens.numel() == 0:
        raise TokenError(
            f"Tokens are [batch, pos] or [pos] with at least one of each, "
            f"and these have shape {tuple(tokens.shape)}."
        )
    tokens = tokens if tokens.ndim == 2 else rearrange(tokens, "pos -> 1 pos")
    if tokens.shape[1] > n_ctx:
        raise TokenError(
            f"The input has {tokens.shape[1]} tokens; the model reads at most "
            f"n_ctx={n_ctx}. Shorten it."
        )
    return check_ids(tokens, d_vocab)


def check_stream(stream: Any, d_model: int) -> Float[Tensor, "batch pos d_model"]:
    """A residual stream to start from, if it is one.

    Raises:
        ConfigError: it is no float tensor [batch, pos, d_model].
    """
    if not isinstance(stream, Tensor) or not stream.is_floating_point():
        kind = stream.dtype if isinstance(stream, Tensor) else type(stream).__name__
        raise ConfigError(f"start_at_layer starts from a float stream, and not from {kind}.")
    if stream.ndim != 3 or stream.numel() == 0 or stream.shape[-1] != d_model:
        raise ConfigError(
            f"start_at_layer starts from a stream [batch, pos, d_model={d_model}] with at least "
            f"one of each, and this one has shape {tuple(stream.shape)}."
        )
    return stream


def real_tokens(
    tokens: Int[Tensor, "batch pos"],
    tokenizer: Tokenizer | None,
    lengths: Sequence[int] | None = None,
    attention_mask: Tensor | None = None,
) -> Bool[Tensor, "batch pos"] | None:
    """Which tokens are text, and not padding. None: all are.

    For texts, `lengths` decides. For tokens, the attention mask does. Without a mask, only padding
    tokens at the end of a row are left out, and only if the tokenizer's padding token is not also
    its start or end of text.

    Raises:
        ShapeError: the mask's shape is not the tokens'.
        ConfigError: the mask leaves out more than the end of a row, or texts come with one.
    """
    if attention_mask is not None:
        if lengths is not None:
            raise ConfigError(
                "attention_mask was given with texts, whose lengths are known. Leave it out, or "
                "give tokens."
            )
        return _check_mask(attention_mask, tokens)
    if lengths is not None:
        ends = torch.tensor(lengths, device=tokens.device)
        return torch.arange(tokens.shape[1], device=tokens.device) < ends[:, None]
    if tokenizer is None or (padding := tokenizer.pad_token_id) is None:
        return None
    trailing = (tokens == padding).flip(1).cumprod(1).flip(1)
    if padding not in (tokenizer.bos_token_id, getattr(tokenizer, "eos_token_id", None)):
        return trailing == 0
    if _has_values(trailing) and bool((trailing.sum(1) > 1).any()):
        logger.warning(
            "A row ends in token %s more than once. This tokenizer uses it for padding and also as "
            "start or end of text, so all of these tokens count in this loss. Give texts, or an "
            "attention_mask.",
            padding,
        )
    return None


def _check_mask(mask: Tensor, tokens: Tensor) -> Bool[Tensor, "batch pos"]:
    if not isinstance(mask, Tensor) or mask.shape != tokens.shape:
        shape = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise ShapeError(
            f"attention_mask needs the tokens' shape {tuple(tokens.shape)}, and not {shape}."
        )
    real = mask.to(tokens.device) != 0
    if _has_values(real) and bool((real[:, 1:] & ~real[:, :-1]).any()):
        raise ConfigError(
            "attention_mask has a 0 before a 1 in a row. Padding is on the right: give ones, then "
            "zeros."
        )
    return real


def next_token_loss(
    logits: Float[Tensor, "batch pos d_vocab"],
    tokens: Int[Tensor, "batch pos"],
    real: Bool[Tensor, "batch pos"] | None,
) -> Float[Tensor, ""]:
    """The mean cross-entropy of each next token that is text, in nats."""
    target = tokens[:, 1:]
    if real is not None:
        target = target.masked_fill(~real[:, 1:], IGNORE_INDEX)
    flat = rearrange(logits[:, :-1], "batch pos d_vocab -> (batch pos) d_vocab")
    return F.cross_entropy(flat, rearrange(target, "batch pos -> (batch pos)"))


def check_has_target(tokens: Tensor, real: Bool[Tensor, "batch pos"] | None) -> None:
    """Raise a TokenError unless a token has a next one."""
    nothing = real is not None and _has_values(real) and not bool(real[:, 1:].any())
    if tokens.shape[1] < 2 or nothing:
        raise TokenError("A loss needs a next token to predict: give at least 2 tokens.")


def _has_values(tensor: Tensor) -> bool:
    fake = tensor.is_meta or isinstance(tensor, FakeTensor)
    return not (fake or torch.compiler.is_compiling())
