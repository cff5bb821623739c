"""Folders made by `transformers` itself, with random weights: its logits and its hidden states."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: see tests/parity/README.md"
)

from minicache import HookedTransformer  # noqa: E402  # only where the peer is there

SHAPES = [
    {"layers": 1, "heads": 1, "width": 8, "vocab": 13},
    {"layers": 2, "heads": 3, "width": 12, "vocab": 17},
    {"layers": 4, "heads": 4, "width": 32, "vocab": 50},
]


def made(family, shape, tied):
    common = {"vocab_size": shape["vocab"], "tie_word_embeddings": tied}
    if family == "gpt2":
        cfg = transformers.GPT2Config(
            n_layer=shape["layers"], n_head=shape["heads"], n_embd=shape["width"],
            n_positions=24, **common,
        )  # fmt: skip
        model = transformers.GPT2LMHeadModel(cfg)
    else:
        kinds = [["global", "local"][layer % 2] for layer in range(shape["layers"])]
        cfg = transformers.GPTNeoConfig(
            num_layers=shape["layers"], num_heads=shape["heads"], hidden_size=shape["width"],
            max_position_embeddings=24, window_size=5, intermediate_size=20,
            attention_types=[[[kind], 1] for kind in kinds], **common,
        )  # fmt: skip
        model = transformers.GPTNeoForCausalLM(cfg)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@contextmanager
def narrowing_nothing(monkeypatch):
    """In here, `transformers` computes GPT-Neo's scores in float64 where all else is in float64.

    It turns them to float32 whatever the model's dtype: nothing finer than 1e-6 could be seen.
    """
    to = torch.Tensor.to

    def kept(tensor, *args, **kwargs):
        narrower = tensor.dtype == torch.float64 and args[:1] == (torch.float32,)
        return tensor if narrower else to(tensor, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "to", kept)
        yield


@pytest.mark.parametrize("form", ["safetensors", "sharded", "torch"])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s['layers']}x{s['heads']}")
@pytest.mark.parametrize("family", ["gpt2", "gpt_neo"])
def test_logits_and_hidden_states_are_those_of_transformers(
    tmp_path, monkeypatch, family, shape, tied, form
):
    theirs = made(family, shape, tied)
    if form == "torch":
        theirs.config.save_pretrained(tmp_path)
        torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    else:
        theirs.save_pretrained(tmp_path, max_shard_size="4KB" if form == "sharded" else "1GB")
        if form == "sharded" and shape["layers"] > 1:
            assert (tmp_path / "model.safetensors.index.json").exists()
    ours = HookedTransformer.from_pretrained(tmp_path)
    tokens = torch.randint(shape["vocab"], (2, 20), generator=torch.Generator().manual_seed(1))
    for dtype, limit in ((torch.float32, 1e-4), (torch.float64, 1e-9)):
        with torch.no_grad(), narrowing_nothing(monkeypatch):
            expected = theirs.to(dtype)(tokens, output_hidden_states=True)
            logits, cache = ours.to(dtype).run_with_cache(tokens)
        assert (logits - expected.logits).abs().max() <= limit * max(1, expected.logits.abs().max())
        for layer in range(shape["layers"]):  # the last hidden state is after the LayerNorm
            difference = (cache["resid_pre", layer] - expected.hidden_states[layer]).abs().max()
            assert difference <= limit * max(1, expected.hidden_states[layer].abs().max())
