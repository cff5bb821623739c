"""Models in Hugging Face's format: folders, and files that are not to be trusted.

That the numbers are those of `transformers` is shown in `tests/parity/test_real_weights.py`.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from functools import partial

import pytest
import torch
from safetensors.torch import save_file

from minicache import HookedTransformer
from minicache.errors import MissingPackageError, ModelFileError
from tests.checkpoints import GPT2, NEO, write_checkpoint
from tests.worlds import tokens


@pytest.fixture
def folder(tmp_path):
    return partial(write_checkpoint, tmp_path / "model")


@pytest.mark.parametrize("config", [GPT2, NEO], ids=["gpt2", "neo"])
def test_every_form_of_the_weights_gives_the_same_model(folder, config):
    logits = []
    for form in ("safetensors", "sharded", "torch"):
        where = folder(config, form)
        logits.append(HookedTransformer.from_pretrained(where)(tokens(2, 5)))
        for file in where.iterdir():
            file.unlink()
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits[0], logits[2])


def test_an_untied_unembedding_is_taken_as_it_is(folder):
    tied = HookedTransformer.from_pretrained(folder())
    assert torch.equal(tied.W_U, tied.W_E.T)
    untied = HookedTransformer.from_pretrained(folder(tied=False))
    assert torch.equal(untied.W_U, torch.ones(12, 11))


def test_neo_has_local_layers_no_scale_and_no_q_k_v_biases(folder):
    model = HookedTransformer.from_pretrained(folder(NEO))
    assert model.cfg.attn_types == ["global", "local"]
    assert (model.cfg.window_size, model.cfg.use_attn_scale) == (4, False)
    assert not model.b_Q.any()
    assert not model.b_V.any()
    listed = {**NEO, "attention_layers": ["local", "local"]}
    assert HookedTransformer.from_pretrained(folder(listed)).cfg.attn_types == ["local", "local"]


@pytest.mark.parametrize(
    ("given", "bos"),
    [
        ({}, 1),
        ({"bos_token_id": None, "eos_token_id": 2}, 2),
        ({"bos_token_id": None, "eos_token_id": None}, None),
        ({"bos_token_id": None}, None),  # the default, 50256, is not in this vocabulary
    ],
)
def test_a_start_of_text_that_is_null_is_not_token_0(folder, given, bos):
    model = HookedTransformer.from_pretrained(folder({**GPT2, **given}, tokenizer=True))
    assert model.tokenizer.bos_token_id == bos


def test_a_special_token_that_is_no_int_is_refused(folder):
    with pytest.raises(ModelFileError, match="bos_token_id='1'"):
        HookedTransformer.from_pretrained(folder({**GPT2, "bos_token_id": "1"}, tokenizer=True))


def test_its_tokenizer_reads_and_writes_text(folder):
    model = HookedTransformer.from_pretrained(folder(tokenizer=True))
    assert model.to_tokens("b c j").tolist() == [[1, 2, 3, 10]]
    assert model.to_string([1, 2, 3, 10]) == "<|endoftext|> b c j"
    assert model.to_single_token("c") == 3
    assert model("b c j").shape == (1, 4, 11)
    without = HookedTransformer.from_pretrained(folder(GPT2, "sharded"))
    assert without(tokens(1, 3)).shape == (1, 3, 11)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "no weights"),
        (lambda f: (f / "model.safetensors").write_bytes(b"xx"), "cannot be read"),
        (
            lambda f: (f / "model.safetensors").write_bytes(
                (f / "model.safetensors").read_bytes()[:-100]
            ),
            "cannot be read",
        ),
        (
            lambda f: save_file({"x": torch.ones(1)}, f / "model.safetensors"),
            "n_layer=2, and there are weights of 0 layers",
        ),
        (lambda f: (f / "config.json").write_text('{"model_type": "llama"}'), "reads gpt2"),
        (lambda f: (f / "config.json").write_text('{"model_type": "gpt2"}'), "has no 'n_layer'"),
        (lambda f: (f / "config.json").write_text("{"), "cannot be read"),
        (
            lambda f: (f / "config.json").write_text(
                json.dumps({**GPT2, "scale_attn_by_inverse_layer_idx": True})
            ),
            "inverse_layer",
        ),
        (
            lambda f: (f / "config.json").write_text(json.dumps({**GPT2, "vocab_size": 12})),
            "do not fit together",
        ),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "cannot be read as a tokenizer"),
    ],
)
def test_a_damaged_folder_is_told_plainly(folder, damage, words):
    where = folder()
    damage(where)
    with pytest.raises(ModelFileError, match=words):
        HookedTransformer.from_pretrained(where)


def test_a_pickle_with_code_in_it_is_refused_and_not_run(folder, tmp_path):
    where = folder(form="torch")
    mark = tmp_path / "was_here"

    class Code:
        def __reduce__(self):
            return os.system, (f"touch {mark}",)

    for content in (pickle.dumps(Code(), protocol=2), b"not a pickle"):
        (where / "pytorch_model.bin").write_bytes(content)
        with pytest.raises(ModelFileError, match="No code from it has run"):
            HookedTransformer.from_pretrained(where)
    torch.save({"x": Code()}, where / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match="No code from it has run"):
        HookedTransformer.from_pretrained(where)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("package", "call"), [("tokenizers", "folder"), ("huggingface_hub", "hub")]
)
def test_a_missing_package_names_the_command(folder, monkeypatch, package, call):
    monkeypatch.setitem(sys.modules, package, None)
    name = folder(tokenizer=True) if call == "folder" else "owner/name"
    with pytest.raises(MissingPackageError, match=r"\[hub\]"):
        HookedTransformer.from_pretrained(name)
