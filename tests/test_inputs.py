"""What a loss counts: text, and no padding."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from minicache.errors import ArgumentTypeError, ConfigError, ShapeError, TokenError
from tests.worlds import D_VOCAB, N_CTX, assert_close, random_model, tokens

BOS = 3


class Letters:
    """A token for each letter. Like GPT-2's, its only special token starts, ends and fills up."""

    def __init__(self, pad=BOS, bos=BOS, **more):
        self.pad_token_id, self.bos_token_id = pad, bos
        vars(self).update(more)

    def encode(self, text):
        return [int(letter, D_VOCAB) for letter in text]

    def decode(self, tokens):
        return "".join("0123456789a"[token] for token in tokens)


def lettered(**special):
    model = random_model()
    model.tokenizer = Letters(**special)
    return model


def loss_of(model, rows):
    """The mean over all next tokens of rows that run one by one, so nothing is padded."""
    losses = [
        F.cross_entropy(model(row)[0, :-1], row[1:], reduction="sum")
        for row in map(torch.tensor, rows)
        if len(row) > 1
    ]
    return sum(losses) / sum(len(row) - 1 for row in rows)


TEXTS = st.lists(st.text("0123456789a", max_size=N_CTX - 1), min_size=1, max_size=4)
SPECIAL = st.sampled_from([dict(), dict(pad=0), dict(pad=0, eos_token_id=0)])


@given(texts=TEXTS.filter(any), special=SPECIAL, prepend=st.booleans())
def test_a_loss_of_texts_counts_every_letter_and_no_padding(texts, special, prepend):
    model = lettered(**special)
    if not prepend:
        texts = [text + "12" for text in texts if len(text) < N_CTX - 1] or ["12"]
    rows = [[BOS] * prepend + model.tokenizer.encode(text) for text in texts]
    assert_close(model(texts, return_type="loss", prepend_bos=prepend), loss_of(model, rows))


@given(ids=st.lists(st.lists(st.integers(0, 10), min_size=4, max_size=4), min_size=1, max_size=3))
def test_where_padding_is_the_end_of_text_a_loss_of_tokens_counts_all(ids):
    model = lettered()
    assert_close(model(torch.tensor(ids), return_type="loss"), loss_of(model, ids))


@given(data=st.data(), batch=st.integers(1, 3))
def test_an_attention_mask_says_what_is_padding(data, batch):
    model, ids = lettered(), tokens(batch, 6)
    lengths = [data.draw(st.integers(2, 6)) for _ in range(batch)]
    rows = [row[:length] for row, length in zip(ids.tolist(), lengths, strict=True)]
    mask = torch.arange(6) < torch.tensor(lengths)[:, None]
    for given_mask in (mask, mask.long(), mask.float()):
        found = model(ids, return_type="loss", attention_mask=given_mask)
        assert_close(found, loss_of(model, rows))
    stream = model(ids, stop_at_layer=1)
    found = model(stream, return_type="loss", start_at_layer=1, tokens=ids, attention_mask=mask)
    assert_close(found, loss_of(model, rows))


def test_a_padding_token_of_its_own_is_known_at_the_end_of_a_row_and_counts_within():
    model = lettered(pad=0)
    ids = torch.tensor([[3, 0, 0, 5, 0, 0], [3, 1, 2, 3, 4, 5]])
    assert_close(model(ids, return_type="loss"), loss_of(model, [[3, 0, 0, 5], [3, 1, 2, 3, 4, 5]]))
    texts = ["00500"[:3], "12345"]
    assert_close(
        model(texts, return_type="loss"), loss_of(model, [[3, 0, 0, 5], [3, 1, 2, 3, 4, 5]])
    )


def test_to_tokens_and_the_texts_give_one_loss_where_padding_has_a_token_of_its_own(shipped):
    texts = ["In France people", "The capital of France is Paris ."]
    both = [shipped(given, return_type="loss") for given in (texts, shipped.to_tokens(texts))]
    assert torch.equal(*both)


def test_tokens_that_may_be_padding_or_ends_of_text_are_counted_with_a_warning(caplog):
    model = lettered()
    model(torch.tensor([[3, 1, 2, 3]]), return_type="loss")  # one end of text is ordinary
    assert caplog.text == ""
    model(torch.tensor([[3, 1, 3, 3]]), return_type="loss")
    assert "the loss counts all of these tokens" in caplog.text
    caplog.clear()
    model(torch.tensor([[3, 1, 3, 3]]))
    mask = torch.tensor([[1, 1, 1, 0]])
    model(torch.tensor([[3, 1, 3, 3]]), return_type="loss", attention_mask=mask)
    model(["1", "111"], return_type="loss")
    assert caplog.text == ""


def test_a_loss_without_any_target_raises_and_is_never_nan():
    model = lettered(pad=0)
    for call in (
        lambda: model(torch.tensor([[3, 0, 0]]), return_type="loss"),
        lambda: model(["", ""], return_type="loss"),
        lambda: model(tokens(1, 3), return_type="loss", attention_mask=torch.tensor([[1, 0, 0]])),
    ):
        with pytest.raises(TokenError, match="at least 2 tokens"):
            call()
    assert_close(model(["", "12"], return_type="loss"), loss_of(model, [[3, 1, 2]]))


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        (torch.ones(2, 3), ShapeError, r"\(2, 4\), and not \(2, 3\)"),
        ([[1, 1, 1, 1]] * 2, ShapeError, "not list"),
        (torch.tensor([[0, 1, 1, 1]] * 2), ConfigError, "Padding must be on the right"),
        (torch.tensor([[1, 0, 1, 1]] * 2), ConfigError, "Padding must be on the right"),
    ],
)
def test_a_mask_that_does_not_fit_raises(mask, error, words):
    for return_type in ("loss", "logits"):
        with pytest.raises(error, match=words):
            lettered()(tokens(2, 4), return_type=return_type, attention_mask=mask)


def test_texts_bring_their_own_lengths():
    with pytest.raises(ConfigError, match="whose lengths are known"):
        lettered()("12", return_type="loss", attention_mask=torch.ones(1, 3))


def test_a_tokenizer_without_special_tokens_says_what_is_missing():
    model = lettered(pad=None, bos=None)
    with pytest.raises(TokenError, match="prepend_bos=False"):
        model("12")
    with pytest.raises(TokenError, match="no padding token"):
        model(["1", "12"], prepend_bos=False)
    assert torch.equal(
        model(["21", "12"], prepend_bos=False), model(torch.tensor([[2, 1], [1, 2]]))
    )
    ids = torch.tensor([[3, 0, 0, 0]])
    assert_close(model(ids, return_type="loss"), loss_of(model, ids.tolist()))


@pytest.mark.parametrize("prepend", [None, 1, "yes"])
def test_prepend_bos_is_true_or_false(prepend):
    with pytest.raises(ArgumentTypeError, match="prepend_bos"):
        lettered().to_tokens("12", prepend_bos=prepend)
