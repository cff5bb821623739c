"""Turn text into a model's tokens and back: `to_tokens`, `to_string`, `to_str_tokens`.

These are functions of a model. `HookedTransformer` binds them as methods.
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
    """The sizes that these functions need: of the vocabulary and of the context."""

    @property
    def d_vocab(self) -> int: ...

    @property
    def n_ctx(self) -> int: ...


@runtime_checkable
class ReadsText(Protocol):
    """A model with the attributes that these functions need."""

    @property
    def cfg(self) -> Sizes: ...

    @property
    def tokenizer(self) -> Tokenizer | None: ...

    @property
    def device(self) -> torch.device: ...


def read(
    model: ReadsText, input: Any, prepend_bos: bool
) -> tuple[Int[Tensor, "batch pos"], list[int] | None]:
    """Turn text or tokens into checked tokens, and give each text's length.

    Returns:
        Tokens [batch, pos]; and the texts' lengths in tokens, or None if the input was tokens.

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
    """Turn a text, or several, into tokens on the model's device.

    Shorter texts of a batch are padded on the right. No text token attends to padding, because
    attention is causal. For a loss, give `forward` the texts and not their tokens: then it knows
    their lengths. Which tokens a loss takes for padding, `attention_mask` of `forward` says.

    Args:
        prepend_bos: Begin each text with the BOS token.

    Raises:
        TokenError: there is no text or no tokenizer, or the tokenizer has no BOS or padding token
            and one is needed.
        ArgumentTypeError: `prepend_bos` is no bool.
        UnknownWordError: the vocabulary does not have a word.
    """
    return pad(model, encode(model, input, prepend_bos))


def to_string(
    model: ReadsText, tokens: Int[Tensor, "*batch pos"] | Sequence[int]
) -> str | list[str]:
    """Turn tokens into text: a string for [pos], a list of strings for [batch, pos]."""
    ids = check_ids(as_ids(tokens), model.cfg.d_vocab)
    if ids.ndim == 2:
        return [cast(str, to_string(model, row)) for row in ids]
    return _get_tokenizer(model).decode(ids.reshape(-1).tolist())


def to_str_tokens(
    model: ReadsText,
    input: str | Int[Tensor, " pos"] | Int[Tensor, "1 pos"],
    prepend_bos: bool = True,
) -> list[str]:
    """Split one text, or its tokens, into a string for each token."""
    tokens = to_tokens(model, input, prepend_bos)[0] if isinstance(input, str) else input
    ids = as_ids(tokens)
    if ids.ndim == 2 and ids.shape[0] != 1:
        raise TokenError(
            f"to_str_tokens reads one text, and this is a batch of {len(ids)}. Give one row."
        )
    return [cast(str, to_string(model, [token])) for token in ids.reshape(-1).tolist()]


def to_single_token(model: ReadsText, string: str) -> int:
    """Turn a word into its token id.

    Raises:
        TokenError: the string is not exactly one token.
    """
    tokens = to_tokens(model, string, prepend_bos=False)[0]
    if len(tokens) != 1:
        raise TokenError(
            f"{string!r} is {len(tokens)} tokens, and one is needed. Give a word that is one token."
        )
    return int(tokens[0])


def to_token_ids(
    model: ReadsText, tokens: str | int | Sequence[str | int] | Integer[Tensor, "*tokens"]
) -> Int[Tensor, "*tokens"]:
    """Turn a word, an id, a list of words or ids, or a tensor of ids into a tensor of ids.

    Raises:
        TokenError: a word is not one token, or the vocabulary does not have an id.
    """
    if isinstance(tokens, str):
        tokens = to_single_token(model, tokens)
    elif isinstance(tokens, Sequence) and any(isinstance(token, str) for token in tokens):
        tokens = [to_single_token(model, cast(str, word)) for word in tokens]
    return check_ids(as_ids(tokens, model.device), model.cfg.d_vocab)


def encode(model: ReadsText, input: str | Sequence[str], prepend_bos: bool) -> list[list[int]]:
    """Turn a text, or several, into a list of token ids for each.

    Raises:
        TokenError: there is no text, or the tokenizer has no BOS token to prepend.
        ArgumentTypeError: `prepend_bos` is no bool.
    """
    texts = [input] if isinstance(input, str) else input
    has_items = isinstance(texts, Sequence) and len(texts) > 0
    if not has_items or not all(isinstance(text, str) for text in texts):
        raise TokenError(f"Give a text, or a list of texts, and not {input!r}.")
    if not isinstance(prepend_bos, bool):
        raise ArgumentTypeError(f"prepend_bos is True or False, and not {prepend_bos!r}.")
    tokenizer = _get_tokenizer(model)
    if not prepend_bos:
        return [list(tokenizer.encode(text)) for text in texts]
    if tokenizer.bos_token_id is None:
        raise TokenError("This tokenizer has no BOS token (start of text). Give prepend_bos=False.")
    return [[tokenizer.bos_token_id, *tokenizer.encode(text)] for text in texts]


def pad(model: ReadsText, rows: Sequence[Sequence[int]]) -> Int[Tensor, "batch pos"]:
    """Pad rows of tokens on the right to one length, and put them on the model's device.

    Raises:
        TokenError: the rows differ in length, and the tokenizer has no padding token.
    """
    longest, pad_token_id = max(map(len, rows)), _get_tokenizer(model).pad_token_id
    if pad_token_id is None:
        if any(len(row) < longest for row in rows):
            raise TokenError(
                "These texts differ in length, and the tokenizer has no padding token. "
                "Give them one at a time."
            )
        pad_token_id = 0  # all rows have one length, so it is not used
    padded = [[*row, *[pad_token_id] * (longest - len(row))] for row in rows]
    return torch.tensor(padded, dtype=torch.long, device=model.device)


def _get_tokenizer(model: ReadsText) -> Tokenizer:
    if model.tokenizer is None:
        raise TokenError(
            "This model has no tokenizer, so it cannot read text. Give tokens, or set "
            "model.tokenizer."
        )
    return model.tokenizer
