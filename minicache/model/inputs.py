"""Check tokens, find padding, and compute the next-token loss.

A model's input comes from outside, so all of it is checked here before the model runs. Tensors have
no values on the meta device, nor while `torch.compile` or `torch.export` traces. There, checks that
need values are skipped.
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
    """Convert an int, nested lists or an array to a tensor.

    Raises:
        TokenError: the input cannot be a tensor: lists differ in length, for example.
    """
    try:
        return torch.as_tensor(given, device=device)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TokenError(
            f"{describe(given)} is not tokens. Give a token id, lists of ids of equal length, or a "
            f"tensor of ids."
        ) from None


def check_ids(ids: Tensor, d_vocab: int) -> Int[Tensor, "*batch"]:
    """Check that token ids are ints in the vocabulary. Returns them as int64.

    Raises:
        TokenError: the ids are no ints, or the vocabulary does not have them.
    """
    if ids.dtype not in INTS:
        raise TokenError(f"Tokens are ints, and these are {ids.dtype}. Give ids of the vocabulary.")
    ids = ids.long()
    if ids.numel() and _has_values(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < d_vocab:
        raise TokenError(
            f"The vocabulary has tokens 0 to {d_vocab - 1}, and these go from {int(ids.min())} "
            f"to {int(ids.max())}."
        )
    return ids


def check_tokens(tokens: Tensor, d_vocab: int, n_ctx: int) -> Int[Tensor, "batch pos"]:
    """Check tokens, and return them as int64 with a batch axis.

    Raises:
        TokenError: there are no tokens, more than n_ctx, or one that is not in the vocabulary.
    """
    if tokens.ndim not in (1, 2) or tokens.numel() == 0:
        raise TokenError(
            f"Tokens are [batch, pos] or [pos], at least 1 in each axis, "
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
    """Check that the input can be a residual stream to start from, and return it.

    Raises:
        ConfigError: the input is no float tensor [batch, pos, d_model].
    """
    if not isinstance(stream, Tensor) or not stream.is_floating_point():
        kind = stream.dtype if isinstance(stream, Tensor) else type(stream).__name__
        raise ConfigError(f"start_at_layer starts from a float stream, and not from {kind}.")
    if stream.ndim != 3 or stream.numel() == 0 or stream.shape[-1] != d_model:
        raise ConfigError(
            f"start_at_layer starts from a stream [batch, pos, d_model={d_model}], at least 1 in "
            f"each axis, and this one has shape {tuple(stream.shape)}."
        )
    return stream


def real_tokens(
    tokens: Int[Tensor, "batch pos"],
    tokenizer: Tokenizer | None,
    lengths: Sequence[int] | None = None,
    attention_mask: Tensor | None = None,
) -> Bool[Tensor, "batch pos"] | None:
    """Find which tokens are text (True) and which are padding. None means that all are text.

    If the input was text, `lengths` decides. If it was tokens, the attention mask does. Without a
    mask, padding tokens at the end of a row are padding, unless the tokenizer uses the same token
    for the start or end of text.

    Raises:
        ShapeError: the mask has another shape than the tokens.
        ConfigError: the mask has a 0 before a 1 in a row, or was given although `lengths` are.
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
            "A row ends with token %s more than once. This tokenizer uses it for padding and also "
            "as start or end of text, so the loss counts all of these tokens. To leave padding "
            "out, give texts, or an attention_mask.",
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
            "attention_mask has a 0 before a 1 in a row. Padding must be on the right: give ones, "
            "then zeros."
        )
    return real


def next_token_loss(
    logits: Float[Tensor, "batch pos d_vocab"],
    tokens: Int[Tensor, "batch pos"],
    real: Bool[Tensor, "batch pos"] | None,
) -> Float[Tensor, ""]:
    """Compute the mean cross-entropy of all next tokens that are text, in nats."""
    target = tokens[:, 1:]
    if real is not None:
        target = target.masked_fill(~real[:, 1:], IGNORE_INDEX)
    flat = rearrange(logits[:, :-1], "batch pos d_vocab -> (batch pos) d_vocab")
    return F.cross_entropy(flat, rearrange(target, "batch pos -> (batch pos)"))


def check_has_target(tokens: Tensor, real: Bool[Tensor, "batch pos"] | None) -> None:
    """Raise a TokenError unless at least one token has a next one."""
    all_padding = real is not None and _has_values(real) and not bool(real[:, 1:].any())
    if tokens.shape[1] < 2 or all_padding:
        raise TokenError("A loss needs a next token to predict: give at least 2 tokens.")


def _has_values(tensor: Tensor) -> bool:
    fake = tensor.is_meta or isinstance(tensor, FakeTensor)
    return not (fake or torch.compiler.is_compiling())
