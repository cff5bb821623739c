"""A model's folder: saved and loaded the same, and told plainly when it is wrong in any way."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from safetensors.torch import load_file, save_file

from minicache import HookedTransformer
from minicache.errors import ArgumentTypeError, ModelFileError, TokenError
from minicache.model import files
from minicache.model.loading import SHIPPED, Parts, load_parts, save_parts, weight_shapes
from minicache.model.tokenizers import WordTokenizer
from tests.checkpoints import GPT2, NEO, write_checkpoint
from tests.malformed import malformed, ours
from tests.worlds import models, random_model, tokens


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(SHIPPED, tmp_path / "model")


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
    with pytest.raises(ModelFileError, match=r"words\.txt has \d+ words, and d_vocab"):
        HookedTransformer.from_pretrained(folder)


@given(model=models())
def test_the_expected_shapes_are_those_of_a_model(model):
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert weight_shapes(model.cfg) == shapes


def test_weights_that_are_views_are_saved_as_they_read(tmp_path):
    model = random_model(dtype=torch.float32)
    weights = model.state_dict()
    name = "unembed.W_U"
    weights[name] = weights[name].T.contiguous().T
    assert not weights[name].is_contiguous()
    words = WordTokenizer(["<pad>", "<bos>", *"abcdefghi"])
    save_parts(tmp_path, Parts(model.config_dict(), weights, words))
    again = HookedTransformer.from_pretrained(tmp_path)
    assert torch.equal(again(tokens(1, 4)), model(tokens(1, 4)))


def test_float64_weights_are_not_rounded_and_float16_ones_fit_as_they_are(tmp_path):
    model = random_model()
    words = WordTokenizer(["<pad>", "<bos>", *"abcdefghi"])
    save_parts(tmp_path, Parts(model.config_dict(), model.state_dict(), words))
    again = HookedTransformer.from_pretrained(tmp_path)
    assert torch.equal(again(tokens(1, 4)), model(tokens(1, 4)))
    half = {name: tensor.half() for name, tensor in model.state_dict().items()}
    save_parts(tmp_path, Parts(model.config_dict(), half, words))
    assert HookedTransformer.from_pretrained(tmp_path).W_E.dtype == torch.float32


def test_constants_of_transformer_lens_among_the_weights_do_no_harm(tmp_path):
    config, weights, words = load_parts()
    extra = {"blocks.0.attn.mask": torch.ones(3, 3).bool(), "blocks.0.attn.IGNORE": torch.ones(())}
    save_parts(tmp_path, Parts(config, weights | extra, words))
    HookedTransformer.from_pretrained(tmp_path)


def test_a_tokenizer_that_cannot_be_saved_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(TokenError, match="a WordTokenizer only"):
        save_parts(tmp_path / "new", load_parts()._replace(tokenizer=None))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["", "a" * 5000, "a\0b", "no/such/folder/at/all", "\ud800"])
def test_what_is_no_folder_and_no_name_is_told_briefly(name):
    with pytest.raises(ModelFileError, match="There is no model at") as caught:
        load_parts(name)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", [3, b"gpt2", ["gpt2"], True])
def test_what_is_neither_text_nor_path_is_told(name):
    with pytest.raises(ArgumentTypeError, match="a folder or a name"):
        load_parts(name)


def test_a_snapshot_of_the_hubs_cache_is_read_through_its_links(tmp_path):
    snapshot, blobs = tmp_path / "snapshots" / "abc", tmp_path / "blobs"
    (tmp_path / "snapshots").mkdir()
    ours(snapshot)
    blobs.mkdir()
    for number, file in enumerate(sorted(snapshot.iterdir())):
        file.rename(blobs / str(number))
        file.symlink_to(f"../../blobs/{number}")
    HookedTransformer.from_pretrained(snapshot)


def change(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


@pytest.mark.parametrize("size", [10**9, 10**18, 10**30])
def test_sizes_that_no_machine_has_are_told_at_once(folder, size):
    for name in ("n_ctx", "d_vocab", "d_model", "n_layers"):
        held = (folder / "config.json").read_text()
        change(folder, **{name: size})
        with pytest.raises(ModelFileError, match="do not fit together"):
            HookedTransformer.from_pretrained(folder)
        (folder / "config.json").write_text(held)


@pytest.mark.parametrize("file", ["config.json", "words.txt"])
def test_a_text_file_of_many_megabytes_is_not_read(folder, file):
    (folder / file).write_bytes(b" " * 5_000_000)
    with pytest.raises(ModelFileError, match="has more than 4,000,000 bytes"):
        HookedTransformer.from_pretrained(folder)


def test_a_weight_in_two_shards_is_told(tmp_path):
    write_checkpoint(tmp_path / "a", GPT2, "sharded", tokenizer=True)
    shutil.copy(tmp_path / "a" / "a.safetensors", tmp_path / "a" / "c.safetensors")
    index = tmp_path / "a" / "model.safetensors.index.json"
    listed = json.loads(index.read_text())["weight_map"]
    index.write_text(json.dumps({"weight_map": {**listed, "more": "c.safetensors"}}))
    with pytest.raises(ModelFileError, match="another file of this model has one"):
        HookedTransformer.from_pretrained(tmp_path / "a")


def test_a_weight_under_two_names_is_told_and_old_constants_are_left_out(tmp_path):
    write_checkpoint(tmp_path / "a", GPT2, "safetensors", tokenizer=True)
    file = tmp_path / "a" / "model.safetensors"
    weights = load_file(file)
    save_file({**weights, "h.0.attn.bias": torch.ones(1, 1, 9, 9).bool()}, file)
    HookedTransformer.from_pretrained(tmp_path / "a")
    save_file({**weights, "wte.weight": torch.ones(11, 12)}, file)
    with pytest.raises(
        ModelFileError, match=r"two entries, with and without the prefix 'transformer\.'"
    ):
        HookedTransformer.from_pretrained(tmp_path / "a")


# Two hundred folders, each wrong in one way


def peak() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")
def test_two_hundred_malformed_folders_are_told_fast_in_little_memory_and_in_place(
    tmp_path, monkeypatch
):
    secret, opened, watching = tmp_path / "secret", [], []
    secret.mkdir()

    def hook(event, args):
        if watching and event == "open":
            opened.append(str(args[0]))

    sys.addaudithook(hook)
    for reader in ("safe_open", "load_file"):  # written in Rust, so Python hears nothing of it
        real = getattr(files, reader)
        monkeypatch.setattr(
            files, reader, lambda file, *a, real=real: [opened.append(str(file)), real(file, *a)][1]
        )
    told: dict[str, str] = {}
    for seed in range(200):
        folder = tmp_path / f"model_{seed}"
        wrong = malformed(folder, secret, seed)
        Path("/proc/self/clear_refs").write_text("5")
        before, start = peak(), time.process_time()
        watching.append(1)
        with pytest.raises(ModelFileError) as caught:
            pytest.fail(f"{seed}, {wrong}: {HookedTransformer.from_pretrained(folder).cfg}")
        watching.clear()
        took, grew = time.process_time() - start, peak() - before
        assert took < 1, (seed, wrong, took)
        assert grew < 300e6, (seed, wrong, grew)
        assert len(str(caught.value)) < 800, (seed, wrong)
        told[wrong] = str(caught.value)
        shutil.rmtree(folder)
    assert opened
    assert not [file for file in opened if str(secret) in os.path.realpath(file) or "zero" in file]
    assert not Path("/tmp/was_here").exists()
    if os.environ.get("SHOW_MALFORMED"):
        print(json.dumps(told, indent=1))


@pytest.mark.parametrize("form", ["ours", "safetensors", "sharded", "torch"])
def test_the_folders_that_the_fuzzer_starts_from_are_right(tmp_path, form):
    ours(tmp_path / "a") if form == "ours" else write_checkpoint(
        tmp_path / "a", GPT2, form, tokenizer=True
    )
    HookedTransformer.from_pretrained(tmp_path / "a")
    if form == "safetensors":
        write_checkpoint(tmp_path / "b", NEO, form, tokenizer=True)
        HookedTransformer.from_pretrained(tmp_path / "b")
