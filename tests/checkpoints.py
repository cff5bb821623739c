"""Small checkpoints in Hugging Face's format: configurations, random weights and a tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

GPT2 = {
    "model_type": "gpt2",
    "n_layer": 2,
    "n_embd": 12,
    "n_positions": 9,
    "n_head": 3,
    "n_inner": None,
    "vocab_size": 11,
    "bos_token_id": 1,
}
NEO = {
    "model_type": "gpt_neo",
    "num_layers": 2,
    "hidden_size": 12,
    "max_position_embeddings": 9,
    "num_heads": 3,
    "intermediate_size": 20,
    "vocab_size": 11,
    "window_size": 4,
    "attention_types": [[["global", "local"], 1]],
}


def random_weights(config):
    """Weights under their Hugging Face names, every axis as its family has it."""
    d, vocab, torch_ = 12, 11, torch.Generator().manual_seed(0)

    def new(*shape):
        return torch.randn(*shape, generator=torch_)

    neo, made = config["model_type"] == "gpt_neo", {}
    inner = 20 if neo else 48
    made["transformer.wte.weight"], made["transformer.wpe.weight"] = new(vocab, d), new(9, d)
    for layer in range(2):
        h = f"transformer.h.{layer}."
        for ln in ("ln_1", "ln_2"):
            made |= {f"{h}{ln}.weight": new(d), f"{h}{ln}.bias": new(d)}
        if neo:
            a = f"{h}attn.attention."
            made |= {f"{a}{name}_proj.weight": new(d, d) for name in ("q", "k", "v", "out")}
            made |= {f"{a}out_proj.bias": new(d)}
            made |= {f"{h}mlp.c_fc.weight": new(inner, d), f"{h}mlp.c_proj.weight": new(d, inner)}
        else:
            made |= {f"{h}attn.c_attn.weight": new(d, 3 * d), f"{h}attn.c_attn.bias": new(3 * d)}
            made |= {f"{h}attn.c_proj.weight": new(d, d), f"{h}attn.c_proj.bias": new(d)}
            made |= {f"{h}mlp.c_fc.weight": new(d, inner), f"{h}mlp.c_proj.weight": new(inner, d)}
        made |= {f"{h}mlp.c_fc.bias": new(inner), f"{h}mlp.c_proj.bias": new(d)}
    made |= {"transformer.ln_f.weight": new(d), "transformer.ln_f.bias": new(d)}
    return made


def write_checkpoint(
    where: Path,
    config: dict[str, Any] = GPT2,
    form: str = "safetensors",
    tied: bool = True,
    tokenizer: bool = False,
) -> Path:
    """Write a model's folder: weights as one safetensors file, `"sharded"`, or a `"torch"` file."""
    where.mkdir(exist_ok=True)
    weights = random_weights(config)
    if not tied:
        weights["lm_head.weight"] = torch.ones(11, 12)
    (where / "config.json").write_text(json.dumps(config))
    if form == "safetensors":
        save_file(weights, where / "model.safetensors")
    elif form == "torch":
        torch.save(weights, where / "pytorch_model.bin")
    else:
        names = list(weights)
        halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
        for file, some in halves.items():
            save_file({name: weights[name] for name in some}, where / file)
        index = {name: file for file, some in halves.items() for name in some}
        (where / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    if tokenizer:
        write_tokenizer(where / "tokenizer.json")
    return where


def write_tokenizer(file: Path) -> None:
    """Eleven words. As many do, it would begin each text by itself, and leave that out again."""
    words = {word: n for n, word in enumerate("a <|endoftext|> b c d e f g h i j".split())}
    made = Tokenizer(models.WordLevel(words, unk_token="a"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["<|endoftext|>"])
    made.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 1)]
    )
    made.save(str(file))
