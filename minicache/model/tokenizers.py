"""Turn text into tokens and back: one token a word, or by a `tokenizer.json` file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from minicache.errors import ModelFileError, TokenError, UnknownWordError, nearest, optional

__all__ = ["HubTokenizer", "Tokenizer", "TransformersTokenizer", "WordTokenizer"]


@runtime_checkable
class Tokenizer(Protocol):
    """What a model needs of its tokenizer. An id is None where it has no such token."""

    pad_token_id: int | None
    bos_token_id: int | None

    def encode(self, text: str) -> list[int]: ...

    def decode(self, tokens: Sequence[int]) -> str: ...


class WordTokenizer:
    """One token a word. White space separates words, and a full stop is a word.

    The first two words of the vocabulary are special: `<pad>` fills up the shorter texts of a
    batch, and `<bos>` begins every text. A head that finds nothing can attend to `<bos>`.

    Raises:
        TokenError: a word stands twice in the vocabulary, or the special words are not first.
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
            twice = sorted({word for word in self.words if self.words.count(word) > 1})
            raise TokenError(f"A vocabulary has each word once, and this one repeats {twice}.")
        self.pad_token_id: int | None = 0
        self.bos_token_id: int | None = 1

    def encode(self, text: str) -> list[int]:
        """The token of each word.

        Raises:
            UnknownWordError: a word is not in the vocabulary; the message has the nearest ones.
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
        """The words of these tokens, a space between two."""
        return " ".join(self.words[token] for token in tokens)


class HubTokenizer:
    """A `tokenizer.json`, through the package `tokenizers`.

    The file may ask for truncation or padding. As in `transformers`, neither is done: a text keeps
    all its tokens, and `to_tokens` pads. Without a start-of-text token, the end-of-text token is
    used. It is also the padding token, as in TransformerLens.

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
        """The tokens of a text. Spaces count: ` Mary` and `Mary` are different tokens."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of these tokens."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=False))


class TransformersTokenizer:
    """A tokenizer of `transformers`, which adds special tokens only where `to_tokens` asks."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        end = tokenizer.eos_token_id
        bos, pad = tokenizer.bos_token_id, tokenizer.pad_token_id
        self.bos_token_id: int | None = end if bos is None else bos
        self.pad_token_id: int | None = end if pad is None else pad

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(tokens))
