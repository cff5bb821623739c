"""Turn text into a model's tokens and back: `to_tokens`, `to_string`, `to_str_tokens`.

Free functions of a model. `HookedTransformer` binds them as methods, by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Int, Integer
from torch import Tensor

from minicache.errors import ArgumentTypeError, TokenError
from minicache.model.inputs import as_ids, check_ids, check_tokens
from minicache.model.tokenizers import Tokenizer

__all__ = [
    "encode",
    "pad",
    "read",
    "to_single_token",
    "to_str_tokens",
    "to_string",
    "to_token_ids",
    "to_tokens",
]


@runtime_checkable
class Sizes(Protocol):
    """How many tokens a model knows, and reads at once."""

    @property
    def d_vocab(self) -> int: ...

    @property
    def n_ctx(self) -> int: ...


@runtime_checkable
class ReadsText(Protocol):
    """What these functions ask of a model."""

    @property
    def cfg(self) -> Sizes: ...

    @property
    def tokenizer(self) -> Tokenizer | None: ...

    @property
    def device(self) -> torch.device: ...


def read(
    model: ReadsText, input: Any, prepend_bos: bool
) -> tuple[Int[Tensor, "batch pos"], list[int] | None]:
    """The checked tokens of an input, and each text's length. For tokens, lengths are None.

    Raises:
        TokenError: the input is neither text nor tokens that the model can read.
    """
    lengths = None
    if not isinstance(input, Tensor):
        rows = encode(model, input, prepend_bos)
        lengths = [len(row) for row in rows]
        input = pad(model, rows)
    return check_tokens(input, model.cfg.d_vocab, model.cfg.n_ctx), lengths


def to_tokens(
    model: ReadsText, input: str | Sequence[str], prepend_bos: bool = True
) -> Int[Tensor, "batch pos"]:
    """The tokens of a text, or of several, on the model's device.

    Shorter texts of a batch are filled up on the right with the padding token. A causal model's
    earlier positions never see it. For a loss, give `forward` the texts themselves: it knows
    their lengths. See `attention_mask` there for what a loss takes for padding in tokens.

    Raises:
        TokenError: there is no text, no tokenizer, or a special token that it does not have is
            needed.
        ArgumentTypeError: `prepend_bos` is no bool.
        UnknownWordError: the vocabulary does not have a word.
    """
    return pad(model, encode(model, input, prepend_bos))


def to_string(
    model: ReadsText, tokens: Int[Tensor, "*batch pos"] | Sequence[int]
) -> str | list[str]:
    """The text of tokens: a string for [pos], a list of them for [batch, pos]."""
    ids = check_ids(as_ids(tokens), model.cfg.d_vocab)
    if ids.ndim == 2:
        return [cast(str, to_string(model, row)) for row in ids]
    return _tokenizer(model).decode(ids.reshape(-1).tolist())


def to_str_tokens(
    model: ReadsText,
    input: str | Int[Tensor, " pos"] | Int[Tensor, "1 pos"],
    prepend_bos: bool = True,
) -> list[str]:
    """Each token of one text as a string of its own."""
    tokens = to_tokens(model, input, prepend_bos)[0] if isinstance(input, str) else input
    ids = as_ids(tokens)
    if ids.ndim == 2 and ids.shape[0] != 1:
        raise TokenError(f"to_str_tokens reads one text, and this is a batch of {len(ids)}.")
    return [cast(str, to_string(model, [token])) for token in ids.reshape(-1).tolist()]


def to_single_token(model: ReadsText, string: str) -> int:
    """The one token of a word.

    Raises:
        TokenError: the string is not one token.
    """
    tokens = to_tokens(model, string, prepend_bos=False)[0]
    if len(tokens) != 1:
        raise TokenError(f"{string!r} is {len(tokens)} tokens, and one is needed.")
    return int(tokens[0])


def to_token_ids(
    model: ReadsText, tokens: str | int | Sequence[str | int] | Integer[Tensor, "*tokens"]
) -> Int[Tensor, "*tokens"]:
    """The ids of tokens that are given as a word, an id, a list of either, or a tensor of ids.

    Raises:
        TokenError: a word is not one token, or the vocabulary does not have an id.
    """
    if isinstance(tokens, str):
        tokens = to_single_token(model, tokens)
    elif isinstance(tokens, Sequence) and any(isinstance(token, str) for token in tokens):
        tokens = [to_single_token(model, cast(str, word)) for word in tokens]
    return check_ids(as_ids(tokens, model.device), model.cfg.d_vocab)


def encode(model: ReadsText, input: str | Sequence[str], prepend_bos: bool) -> list[list[int]]:
    """The tokens of a text, or of several: a row for each.

    Raises:
        TokenError: there is no text, or the tokenizer has no start of text to prepend.
        ArgumentTypeError: `prepend_bos` is no bool.
    """
    texts = [input] if isinstance(input, str) else input
    sequence = isinstance(texts, Sequence) and len(texts) > 0
    if not sequence or not all(isinstance(text, str) for text in texts):
        raise TokenError(f"Give a text, or a list of texts, and not {input!r}.")
    if not isinstance(prepend_bos, bool):
        raise ArgumentTypeError(f"prepend_bos is True or False, and not {prepend_bos!r}.")
    tokenizer = _tokenizer(model)
    if not prepend_bos:
        return [list(tokenizer.encode(text)) for text in texts]
    if tokenizer.bos_token_id is None:
        raise TokenError("This tokenizer has no start of text. Give prepend_bos=False.")
    return [[tokenizer.bos_token_id, *tokenizer.encode(text)] for text in texts]


def pad(model: ReadsText, rows: Sequence[Sequence[int]]) -> Int[Tensor, "batch pos"]:
    """Rows of tokens on the model's device, the shorter ones filled up on the right.

    Raises:
        TokenError: they differ in length, and there is nothing to fill up with.
    """
    longest, pad_token_id = max(map(len, rows)), _tokenizer(model).pad_token_id
    if pad_token_id is None:
        if any(len(row) < longest for row in rows):
            raise TokenError(
                "These texts differ in length, and the tokenizer has no padding token. "
                "Give them one at a time."
            )
        pad_token_id = 0  # all rows have one length, so it is not used
    padded = [[*row, *[pad_token_id] * (longest - len(row))] for row in rows]
    return torch.tensor(padded, dtype=torch.long, device=model.device)


def _tokenizer(model: ReadsText) -> Tokenizer:
    if model.tokenizer is None:
        raise TokenError(
            "This model has no tokenizer, so it cannot read text. Give tokens, or give the model a "
            "tokenizer."
        )
    return model.tokenizer
