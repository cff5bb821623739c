"""Turn text into tokens and back: one token a word, or by a `tokenizer.json` file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from minicache.errors import ModelFileError, TokenError, UnknownWordError, nearest, optional

__all__ = ["HubTokenizer", "Tokenizer", "TransformersTokenizer", "WordTokenizer"]


@runtime_checkable
class Tokenizer(Protocol):
    """The methods and ids that a model needs. An id is None if there is no such token."""

    pad_token_id: int | None
    bos_token_id: int | None

    def encode(self, text: str) -> list[int]: ...

    def decode(self, tokens: Sequence[int]) -> str: ...


class WordTokenizer:
    """A tokenizer with one token for each word. Words, full stops too, are separated by spaces.

    The first two words of the vocabulary are special: `<pad>` pads the shorter texts of a batch,
    and `<bos>` begins every text. A head that finds nothing to attend to can attend to `<bos>`.

    Raises:
        TokenError: the vocabulary repeats a word, or the special words are not first.
    """

    PAD, BOS = "<pad>", "<bos>"

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.ids = {word: index for index, word in enumerate(self.words)}
        if self.words[:2] != [self.PAD, self.BOS]:
            raise TokenError(
                f"A vocabulary begins with {self.PAD} and {self.BOS}, and this one begins with "
                f"{self.words[:2]!r:.80}."
            )
        if len(self.ids) != len(self.words):
            repeated = sorted({word for word in self.words if self.words.count(word) > 1})
            raise TokenError(f"A vocabulary has each word once, and this one repeats {repeated}.")
        self.pad_token_id: int | None = 0
        self.bos_token_id: int | None = 1

    def encode(self, text: str) -> list[int]:
        """Turn a text into the token of each word.

        Raises:
            UnknownWordError: a word is not in the vocabulary; the message has the nearest words.
        """
        words = text.split()
        for word in words:
            if word not in self.ids:
                same = [known for known in self.words if known.lower() == word.lower()]
                raise UnknownWordError(
                    f"The model does not know {word!r}.{nearest(word, same or self.words)} "
                    f"It knows {len(self.words)} words: model.tokenizer.words lists them."
                )
        return [self.ids[word] for word in words]

    def decode(self, tokens: Sequence[int]) -> str:
        """Turn tokens into their words, joined by spaces."""
        return " ".join(self.words[token] for token in tokens)


class HubTokenizer:
    """The tokenizer of a `tokenizer.json`, run by the package `tokenizers`.

    The file may ask for truncation or padding. As in `transformers`, neither is done: a text keeps
    all its tokens, and `to_tokens` pads. The end-of-text token is also the padding token, as in
    TransformerLens. Without a start-of-text token, it begins texts too.

    Raises:
        ModelFileError: the file is damaged.
        MissingPackageError: the extra `hub` is not installed.
    """

    def __init__(
        self, file: Path, bos_token_id: int | None, eos_token_id: int | None = None
    ) -> None:
        reader = optional("tokenizers", "hub").Tokenizer
        try:
            self.tokenizer = reader.from_file(str(file))
        except Exception as error:  # the package has no exception class of its own
            raise ModelFileError(f"'{file}' cannot be read as a tokenizer: {error}") from None
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.bos_token_id = eos_token_id if bos_token_id is None else bos_token_id
        self.eos_token_id = self.bos_token_id if eos_token_id is None else eos_token_id
        self.pad_token_id = self.eos_token_id

    def encode(self, text: str) -> list[int]:
        """Turn a text into tokens. Spaces count: ` Mary` and `Mary` are different tokens."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """Turn tokens into text."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=False))


class TransformersTokenizer:
    """A tokenizer of `transformers`. Only `to_tokens` adds a BOS token, and only if asked to."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        bos, eos, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
        self.bos_token_id: int | None = eos if bos is None else bos
        self.pad_token_id: int | None = eos if pad is None else pad

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(tokens))
