"""The loader: the shipped model, its recorded figures, and damaged folders."""

import json
import shutil

import pytest
import torch

from minicache import HookedTransformer
from minicache.cli import corpus
from minicache.cli.train import evaluate, head_scores, without_heads
from minicache.errors import ModelFileError, TokenError
from minicache.model.loading import SHIPPED, load_parts, save_parts
from minicache.model.tokenizers import WordTokenizer


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(SHIPPED, tmp_path / "model")


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


def test_a_model_saved_and_loaded_is_the_same(shipped, tmp_path):
    save_parts(tmp_path / "copy", load_parts())
    again = HookedTransformer.from_pretrained(tmp_path / "copy")
    text = "In France people speak"
    assert torch.equal(again(text), shipped(text))


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "words.txt"])
def test_a_missing_file_is_named(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(ModelFileError, match=missing):
        HookedTransformer.from_pretrained(folder)


def test_a_folder_that_is_not_there_says_so():
    with pytest.raises(ModelFileError, match="There is no model at 'nowhere'"):
        HookedTransformer.from_pretrained("nowhere")


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("config.json", b"{", "cannot be read"),
        ("config.json", b"\xff\xfe\x00", "cannot be read"),
        ("config.json", b"[]", "should hold a JSON object"),
        ("config.json", b'{"n_layers": 2}', "do not fit together"),
        ("config.json", b'{"n_layers": 0}', "do not fit together"),
        ("config.json", b'{"nonsense": 0}', "do not fit together"),
        ("model.safetensors", b"", "cannot be read"),
        ("model.safetensors", b"\x80\x04pickled", "cannot be read"),
        ("model.safetensors", b"\xff" * 100, "cannot be read"),
        ("words.txt", b"<pad> <bos> twice twice", "repeats"),
        ("words.txt", b"no special words", "begins with <pad>"),
    ],
)
def test_a_damaged_file_raises_one_error_of_ours(folder, file, content, words):
    (folder / file).write_bytes(content)
    with pytest.raises(ModelFileError, match=words):
        HookedTransformer.from_pretrained(folder)


def test_truncated_weights_and_weights_of_another_shape_raise(folder):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFileError, match="cannot be read"):
        HookedTransformer.from_pretrained(folder)
    weights.write_bytes(whole)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_ctx": 7}))
    with pytest.raises(ModelFileError, match="pos_embed"):
        HookedTransformer.from_pretrained(folder)


def test_words_and_weights_must_agree_in_number(folder):
    with (folder / "words.txt").open("a") as words:
        words.write("onemore\n")
    with pytest.raises(ModelFileError, match=r"words\.txt has \d+ words and d_vocab"):
        HookedTransformer.from_pretrained(folder)


def test_a_vocabulary_checks_itself():
    with pytest.raises(TokenError, match=r"repeats \['a'\]"):
        WordTokenizer(["<pad>", "<bos>", "a", "b", "a"])
    with pytest.raises(TokenError, match="begins with"):
        WordTokenizer(["a"])
