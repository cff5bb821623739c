"""The shipped model: its recorded figures, its history, and the words that it knows."""

import json

import pytest

from minicache.cli import corpus
from minicache.cli.train import evaluate, head_scores, without_heads
from minicache.errors import TokenError
from minicache.model.loading import SHIPPED
from minicache.model.tokenizers import WordTokenizer


def test_the_shipped_model_is_small_and_safe():
    assert (SHIPPED / "model.safetensors").stat().st_size <= 1_000_000
    assert {file.suffix for file in SHIPPED.iterdir()} <= {".json", ".md", ".safetensors", ".txt"}


def test_the_card_tells_what_the_shipped_model_does(shipped):
    card = json.loads((SHIPPED / "card.json").read_text())
    measured = evaluate(shipped)
    for name, figure in card["figures"].items():
        assert measured[name] == pytest.approx(figure, rel=1e-3, abs=1e-3), name
    for told, seen in zip(card["heads"], head_scores(shipped), strict=True):
        assert told["head"] == seen["head"]
        for name in ("previous_token", "induction"):
            assert seen[name] == pytest.approx(told[name], abs=1e-3)
        # One word in thousands may turn on the last bit of a sum.
        assert seen["repeated_words_without"] == pytest.approx(
            told["repeated_words_without"], abs=3e-3
        )
    assert without_heads(shipped, card["induction_heads"]) == pytest.approx(
        card["repeated_words_without_induction_heads"], abs=3e-3
    )


def test_the_shipped_model_is_as_good_as_promised():
    card = json.loads((SHIPPED / "card.json").read_text())
    figures = card["figures"]
    assert figures["repeated_words"] >= 0.99
    assert figures["held_out_names"] == 1.0
    assert figures["name_logit_difference"] >= 15
    assert figures["facts"] == 1.0
    assert card["induction_heads"]
    assert card["previous_token_heads"]
    assert card["repeated_words_without_induction_heads"] < 0.05


def test_the_history_shows_induction_appear_while_the_loss_falls():
    history = json.loads((SHIPPED / "history.json").read_text())
    assert len(history) >= 40
    first, last = history[0], history[-1]
    assert last["loss"] < first["loss"] / 3
    assert first["induction_score"] < 0.1 < 0.7 < last["induction_score"]


def test_the_pairs_it_is_judged_on_are_not_those_it_learns_from():
    held_out = set(corpus.HELD_OUT_PAIRS)
    assert len(held_out) >= 20
    assert all((b, a) in held_out for a, b in held_out)
    assert held_out.isdisjoint(corpus.TRAINED_PAIRS)


def test_a_vocabulary_checks_itself():
    with pytest.raises(TokenError, match=r"repeats \['a'\]"):
        WordTokenizer(["<pad>", "<bos>", "a", "b", "a"])
    with pytest.raises(TokenError, match="begins with"):
        WordTokenizer(["a"])
