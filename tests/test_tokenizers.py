"""Tokenizers: one token a word, and files for the package `tokenizers`."""

from __future__ import annotations

import copy
import pickle

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from minicache.errors import ModelFileError, TokenError
from minicache.model.tokenizers import HubTokenizer, WordTokenizer

WORDS = ["a", "b", "c", "d", "end"]


@pytest.fixture
def file(tmp_path):
    """A `tokenizer.json` that asks for truncation to two tokens, and padding to eight."""
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="end"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.enable_truncation(2)
    made.enable_padding(length=8, pad_id=4, pad_token="end")
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_a_text_has_all_its_tokens_and_no_others(file):
    assert HubTokenizer(file, 4).encode("a b c d") == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("bos", "eos", "expected"),
    [
        (4, None, (4, 4, 4)),
        (3, 4, (3, 4, 4)),
        (0, 4, (0, 4, 4)),
        (None, 4, (4, 4, 4)),
        (None, 0, (0, 0, 0)),
        (None, None, (None, None, None)),
    ],
)
def test_where_a_special_token_is_missing_the_other_takes_its_place(file, bos, eos, expected):
    read = HubTokenizer(file, bos, eos)
    assert (read.bos_token_id, read.eos_token_id, read.pad_token_id) == expected


def test_tokenizers_can_be_copied_and_pickled(file):
    for tokenizer in (HubTokenizer(file, 4), WordTokenizer(["<pad>", "<bos>", *WORDS])):
        for again in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
            assert again.encode("d a") == tokenizer.encode("d a")
            assert again.decode(tokenizer.encode("d a")) == "d a"


def test_a_file_that_is_no_tokenizer_raises(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelFileError, match="cannot be read as a tokenizer"):
        HubTokenizer(tmp_path / "tokenizer.json", 0)


@pytest.mark.parametrize("words", [["a", "b"], ["<pad>", "<bos>", "a", "a"], []])
def test_a_vocabulary_begins_with_two_special_words_and_repeats_none(words):
    with pytest.raises(TokenError):
        WordTokenizer(words)
