"""Read GPT-2 and GPT-Neo checkpoints written by `transformers`, from a folder or the hub.

A folder holds `config.json`, weights (safetensors, whole or in shards, or `pytorch_model.bin`) and
`tokenizer.json`. Each family has a table that says which of its weights becomes which of ours, and
how its axes are rearranged. A name that is no folder is fetched from the hub. Nothing here runs
code from a file: JSON, safetensors, and `torch.load` with `weights_only`. Lesson 16 uses it.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from einops import rearrange
from safetensors.torch import load_file
from torch import Tensor

from minicache.errors import ConfigError, ModelFileError, optional

__all__ = ["ALIASES", "FAMILIES", "convert", "fetch", "is_name", "read_weights"]

ALIASES: Final = {
    "gpt2": "openai-community/gpt2",
    "gpt2-small": "openai-community/gpt2",
    "gpt2-medium": "openai-community/gpt2-medium",
    "gpt2-large": "openai-community/gpt2-large",
    "gpt2-xl": "openai-community/gpt2-xl",
    "distilgpt2": "distilbert/distilgpt2",
    **{f"tiny-stories-{size}": f"roneneldan/TinyStories-{size}" for size in ("1M", "3M", "8M")},
    **{f"tiny-stories-{size}": f"roneneldan/TinyStories-{size}" for size in ("28M", "33M")},
}
WANTED: Final = [
    "config.json",
    "*.safetensors",
    "*.index.json",
    "pytorch_model.bin",
    "tokenizer.json",
]

Weights = dict[str, Tensor]


def gpt2_config(config: dict[str, Any]) -> dict[str, Any]:
    """A GPT-2 configuration in our words.

    Raises:
        ConfigError: it asks for what minicache does not have.
    """
    if config.get("scale_attn_by_inverse_layer_idx"):
        raise ConfigError("scale_attn_by_inverse_layer_idx: minicache has no such attention.")
    return {
        "n_layers": config["n_layer"],
        "d_model": config["n_embd"],
        "n_ctx": config["n_positions"],
        "n_heads": config["n_head"],
        "d_head": config["n_embd"] // config["n_head"],
        "d_mlp": config.get("n_inner"),
        "d_vocab": config["vocab_size"],
        "act_fn": config.get("activation_function", "gelu_new"),
        "eps": config.get("layer_norm_epsilon", 1e-5),
        "use_attn_scale": config.get("scale_attn_weights", True),
    }


def gpt2_block(w: Callable[[str], Tensor], heads: int) -> Weights:
    """One block of GPT-2. It keeps q, k and v in one matrix, input first."""
    q, k, v = w("attn.c_attn.weight").chunk(3, dim=1)
    b_q, b_k, b_v = w("attn.c_attn.bias").chunk(3)
    matrices = {"W_Q": q, "W_K": k, "W_V": v}
    biases = {"b_Q": b_q, "b_K": b_k, "b_V": b_v}
    return {
        **{f"attn.{n}": rearrange(m, "m (h d) -> h m d", h=heads) for n, m in matrices.items()},
        **{f"attn.{n}": rearrange(b, "(h d) -> h d", h=heads) for n, b in biases.items()},
        "attn.W_O": rearrange(w("attn.c_proj.weight"), "(h d) m -> h d m", h=heads),
        "attn.b_O": w("attn.c_proj.bias"),
        "mlp.W_in": w("mlp.c_fc.weight"),
        "mlp.W_out": w("mlp.c_proj.weight"),
    }


def neo_config(config: dict[str, Any]) -> dict[str, Any]:
    """A GPT-Neo configuration in our words: local layers, and no scale on attention."""
    kinds = config.get("attention_layers") or [
        kind for group, times in config["attention_types"] for kind in group * times
    ]
    return {
        "n_layers": config["num_layers"],
        "d_model": config["hidden_size"],
        "n_ctx": config["max_position_embeddings"],
        "n_heads": config["num_heads"],
        "d_head": config["hidden_size"] // config["num_heads"],
        "d_mlp": config.get("intermediate_size"),
        "d_vocab": config["vocab_size"],
        "act_fn": config.get("activation_function", "gelu_new"),
        "eps": config.get("layer_norm_epsilon", 1e-5),
        "use_attn_scale": False,
        "attn_types": list(kinds),
        "window_size": config.get("window_size", 256),
    }


def neo_block(w: Callable[[str], Tensor], heads: int) -> Weights:
    """One block of GPT-Neo. Its matrices are output first, and q, k and v have no biases."""
    made = {"attn.b_O": w("attn.attention.out_proj.bias")}
    for ours, theirs in (("Q", "q_proj"), ("K", "k_proj"), ("V", "v_proj")):
        matrix = w(f"attn.attention.{theirs}.weight")
        made[f"attn.W_{ours}"] = rearrange(matrix, "(h d) m -> h m d", h=heads)
        made[f"attn.b_{ours}"] = matrix.new_zeros(heads, len(matrix) // heads)
    out = w("attn.attention.out_proj.weight")
    made["attn.W_O"] = rearrange(out, "m (h d) -> h d m", h=heads)
    made["mlp.W_in"], made["mlp.W_out"] = w("mlp.c_fc.weight").T, w("mlp.c_proj.weight").T
    return made


FAMILIES: Final = {"gpt2": (gpt2_config, gpt2_block), "gpt_neo": (neo_config, neo_block)}


def convert(config: dict[str, Any], weights: Weights) -> tuple[dict[str, Any], Weights]:
    """A Hugging Face model's configuration and weights, as ours.

    Raises:
        ConfigError: an architecture that minicache does not have, or a weight is missing.
    """
    family = config.get("model_type")
    if family not in FAMILIES:
        raise ConfigError(f"model_type {family!r}: minicache reads {', '.join(FAMILIES)}.")
    to_config, to_block = FAMILIES[family]
    try:
        ours = to_config(config)
        theirs = {name.removeprefix("transformer."): t for name, t in weights.items()}
        unembed = theirs.get("lm_head.weight", theirs["wte.weight"])  # tied, if it has none
        made = {
            "embed.W_E": theirs["wte.weight"],
            "pos_embed.W_pos": theirs["wpe.weight"],
            "ln_final.w": theirs["ln_f.weight"],
            "ln_final.b": theirs["ln_f.bias"],
            "unembed.W_U": unembed.T,
            "unembed.b_U": unembed.new_zeros(len(unembed)),
        }
        for layer in range(ours["n_layers"]):

            def w(name: str, layer: int = layer) -> Tensor:
                return theirs[f"h.{layer}.{name}"]

            block = to_block(w, ours["n_heads"])
            block |= {"mlp.b_in": w("mlp.c_fc.bias"), "mlp.b_out": w("mlp.c_proj.bias")}
            for ln in ("1", "2"):
                block |= {f"ln{ln}.w": w(f"ln_{ln}.weight"), f"ln{ln}.b": w(f"ln_{ln}.bias")}
            made |= {f"blocks.{layer}.{name}": tensor for name, tensor in block.items()}
    except KeyError as error:
        raise ConfigError(f"the model lacks {error}.") from None
    return ours, {name: tensor.contiguous() for name, tensor in made.items()}


def read_weights(folder: Path) -> Weights:
    """All weights of a folder: one safetensors file, several with an index, or a torch file.

    Raises:
        ModelFileError: there are none, or the file holds more than weights. Nothing has run then.
    """
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        return dict(load_file(folder / "model.safetensors"))
    if index.is_file():
        shards = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        return {name: t for shard in shards for name, t in load_file(folder / shard).items()}
    if (folder / "pytorch_model.bin").is_file():
        try:
            loaded: Weights = torch.load(folder / "pytorch_model.bin", "cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            reason = str(error).partition("\n")[0]
            raise ModelFileError(
                f"'{folder / 'pytorch_model.bin'}' is damaged, or holds more than weights. It was "
                f"not run: {reason}"
            ) from None
        return loaded
    raise ModelFileError(
        f"There are no weights in '{folder}': no model.safetensors, whole or in shards, and no "
        f"pytorch_model.bin."
    )


def is_name(name: str) -> bool:
    """Whether this could be a model on the hub: an alias, or `owner/name`."""
    return name in ALIASES or re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) is not None


def fetch(name: str, revision: str | None = None) -> Path:
    """The folder of a model on the hub, downloaded if need be. The token and cache are the hub's.

    Args:
        name: An alias such as `gpt2`, or `owner/name`.
        revision: A branch, a tag or a commit.

    Raises:
        ModelFileError: it cannot be had.
        MissingPackageError: the extra `hub` is not installed.
    """
    hub = optional("huggingface_hub", "hub")
    try:
        return Path(
            hub.snapshot_download(ALIASES.get(name, name), revision=revision, allow_patterns=WANTED)
        )
    except (OSError, ValueError, hub.errors.HfHubHTTPError) as error:
        raise ModelFileError(
            f"'{name}' is no folder here, and the hub does not give it: "
            f"{str(error).strip().partition(chr(10))[0]}. Aliases: {', '.join(ALIASES)}."
        ) from error
