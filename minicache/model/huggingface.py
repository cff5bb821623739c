"""Read GPT-2 and GPT-Neo checkpoints written by `transformers`.

A folder holds `config.json`, weights (safetensors, whole or in shards, or `pytorch_model.bin`) and
`tokenizer.json`. For each family of models, one function converts the configuration, and another
renames the weights of a block and rearranges their axes. No code from a file is run: the formats
are JSON, safetensors, and `torch.load` with `weights_only`. Lesson 16 uses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from einops import EinopsError, rearrange
from torch import Tensor

from minicache.errors import ConfigError, ModelFileError
from minicache.model import files
from minicache.model.files import Weights

__all__ = ["FAMILIES", "convert", "read_weights"]

INDEX: Final = "model.safetensors.index.json"

# Constants of attention (the causal mask, minus infinity) in older checkpoints. They are ignored.
CONSTANT: Final = re.compile(r"h\.\d+\.attn\.(attention\.)?(bias|masked_bias)")


def convert_gpt2_config(config: dict[str, Any]) -> dict[str, Any]:
    """Convert a GPT-2 configuration to the arguments of `HookedTransformerConfig`.

    Raises:
        ConfigError: minicache does not support one of its settings.
    """
    if config.get("scale_attn_by_inverse_layer_idx", False) is not False:
        raise ConfigError(
            "scale_attn_by_inverse_layer_idx is on in this checkpoint, and minicache does not "
            "support it."
        )
    return {
        "n_layers": config["n_layer"],
        "d_model": config["n_embd"],
        "n_ctx": config["n_positions"],
        "n_heads": config["n_head"],
        "d_head": _compute_d_head(config, "n_embd", "n_head"),
        "d_mlp": config.get("n_inner"),
        "d_vocab": config["vocab_size"],
        "act_fn": config.get("activation_function", "gelu_new"),
        "eps": config.get("layer_norm_epsilon", 1e-5),
        "use_attn_scale": config.get("scale_attn_weights", True),
    }


def convert_gpt2_block(take: Callable[[str], Tensor], heads: int) -> Weights:
    """Convert the weights of a GPT-2 block: matrices [input, output], W_Q, W_K and W_V in one.

    Args:
        take: Removes a weight of this block from the checkpoint, by name, and returns it.
    """
    q, k, v = take("attn.c_attn.weight").chunk(3, dim=1)
    b_q, b_k, b_v = take("attn.c_attn.bias").chunk(3)
    matrices = {"W_Q": q, "W_K": k, "W_V": v}
    biases = {"b_Q": b_q, "b_K": b_k, "b_V": b_v}
    return {
        **{f"attn.{n}": rearrange(m, "m (h d) -> h m d", h=heads) for n, m in matrices.items()},
        **{f"attn.{n}": rearrange(b, "(h d) -> h d", h=heads) for n, b in biases.items()},
        "attn.W_O": rearrange(take("attn.c_proj.weight"), "(h d) m -> h d m", h=heads),
        "attn.b_O": take("attn.c_proj.bias"),
        "mlp.W_in": take("mlp.c_fc.weight"),
        "mlp.W_out": take("mlp.c_proj.weight"),
    }


def convert_neo_config(config: dict[str, Any]) -> dict[str, Any]:
    """Convert a GPT-Neo configuration to the arguments of `HookedTransformerConfig`.

    GPT-Neo has local layers, and does not scale attention scores.
    """
    return {
        "n_layers": config["num_layers"],
        "d_model": config["hidden_size"],
        "n_ctx": config["max_position_embeddings"],
        "n_heads": config["num_heads"],
        "d_head": _compute_d_head(config, "hidden_size", "num_heads"),
        "d_mlp": config.get("intermediate_size"),
        "d_vocab": config["vocab_size"],
        "act_fn": config.get("activation_function", "gelu_new"),
        "eps": config.get("layer_norm_epsilon", 1e-5),
        "use_attn_scale": False,
        "attn_types": _list_attn_types(config),
        "window_size": config.get("window_size", 256),
    }


def _compute_d_head(config: dict[str, Any], d_model: str, n_heads: str) -> int:
    """Divide d_model by n_heads, given the two keys under which the configuration has them."""
    for key in (d_model, n_heads):
        if type(config[key]) is not int or config[key] < 1:
            raise ConfigError(f"{key}={config[key]!r:.80}: give an int from 1.")
    if config[d_model] % config[n_heads]:
        raise ConfigError(
            f"{d_model}={config[d_model]} cannot be split into {n_heads}={config[n_heads]} heads."
        )
    return int(config[d_model] // config[n_heads])


def _list_attn_types(config: dict[str, Any]) -> list[str]:
    """List GPT-Neo's "global" and "local" layers: given one by one, or in groups that repeat."""
    if isinstance(listed := config.get("attention_layers"), list):
        return listed
    try:
        groups = [(list(group), times) for group, times in config["attention_types"]]
        n_layers = sum(len(group) * times for group, times in groups)
    except (TypeError, ValueError):
        groups, n_layers = [], None
    if n_layers != config["num_layers"]:  # checked first: a file could ask for a list of any length
        raise ConfigError(
            f"attention_types={config['attention_types']!r:.80} does not list the "
            f"{config['num_layers']!r:.80} layers of num_layers."
        )
    return [kind for group, times in groups for kind in group * times]


def convert_neo_block(take: Callable[[str], Tensor], heads: int) -> Weights:
    """Convert the weights of a GPT-Neo block: matrices [output, input], no b_Q, b_K and b_V.

    Args:
        take: Removes a weight of this block from the checkpoint, by name, and returns it.
    """
    block = {"attn.b_O": take("attn.attention.out_proj.bias")}
    for ours, theirs in (("Q", "q_proj"), ("K", "k_proj"), ("V", "v_proj")):
        matrix = take(f"attn.attention.{theirs}.weight")
        block[f"attn.W_{ours}"] = rearrange(matrix, "(h d) m -> h m d", h=heads)
        block[f"attn.b_{ours}"] = matrix.new_zeros(heads, len(matrix) // heads)
    out = take("attn.attention.out_proj.weight")
    block["attn.W_O"] = rearrange(out, "m (h d) -> h d m", h=heads)
    block["mlp.W_in"] = rearrange(take("mlp.c_fc.weight"), "mlp m -> m mlp")
    block["mlp.W_out"] = rearrange(take("mlp.c_proj.weight"), "m mlp -> mlp m")
    return block


FAMILIES: Final = {
    "gpt2": ("n_layer", convert_gpt2_config, convert_gpt2_block),
    "gpt_neo": ("num_layers", convert_neo_config, convert_neo_block),
}


def convert(config: dict[str, Any], weights: Weights) -> tuple[dict[str, Any], Weights]:
    """Convert a Hugging Face model's configuration and weights to ours.

    The weights may be on the device "meta": then only their shapes are converted.

    Raises:
        ConfigError: minicache does not support the architecture; or a weight is missing, has
            another shape than the architecture's, or is one that the architecture does not have.
    """
    family = config["model_type"]
    if not isinstance(family, str) or family not in FAMILIES:
        raise ConfigError(f"model_type {family!r:.80}: minicache reads {', '.join(FAMILIES)}.")
    layers_key, convert_config, convert_block = FAMILIES[family]
    theirs = {name.removeprefix("transformer."): t for name, t in weights.items()}
    if len(theirs) < len(weights):
        raise ConfigError("a weight has two entries, with and without the prefix 'transformer.'.")
    n_layers = len({name.split(".")[1] for name in theirs if name.startswith("h.")})
    try:
        if config[layers_key] != n_layers:
            raise ConfigError(
                f"{layers_key}={config[layers_key]!r:.80}, and there are weights of {n_layers} "
                f"layers."
            )
        ours = convert_config(config)
        converted = _convert_outside_blocks(theirs, config.get("tie_word_embeddings", True))
        for layer in range(n_layers):

            def take(name: str, layer: int = layer) -> Tensor:
                return theirs.pop(f"h.{layer}.{name}")

            block = convert_block(take, ours["n_heads"])
            block |= {"mlp.b_in": take("mlp.c_fc.bias"), "mlp.b_out": take("mlp.c_proj.bias")}
            for ln in ("1", "2"):
                block |= {f"ln{ln}.w": take(f"ln_{ln}.weight"), f"ln{ln}.b": take(f"ln_{ln}.bias")}
            converted |= {f"blocks.{layer}.{name}": tensor for name, tensor in block.items()}
    except KeyError as error:
        raise ConfigError(f"the checkpoint has no {error}.") from None
    except (EinopsError, IndexError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"a weight has another shape than {family}'s: {error!s:.200}") from None
    for name in theirs:
        if not CONSTANT.fullmatch(name):
            raise ConfigError(f"{name!r:.80} is a weight that {family} does not have.")
    return ours, {name: tensor.contiguous() for name, tensor in converted.items()}


def _convert_outside_blocks(theirs: Weights, tied: object) -> Weights:
    """Convert the weights outside the blocks. Without weights of its own, W_U is W_E transposed."""
    embed = theirs.pop("wte.weight")
    if "lm_head.weight" not in theirs and tied is not True:
        raise KeyError("lm_head.weight")
    unembed = theirs.pop("lm_head.weight", embed)
    return {
        "embed.W_E": embed,
        "pos_embed.W_pos": theirs.pop("wpe.weight"),
        "ln_final.w": theirs.pop("ln_f.weight"),
        "ln_final.b": theirs.pop("ln_f.bias"),
        "unembed.W_U": rearrange(unembed, "vocab m -> m vocab"),
        "unembed.b_U": unembed.new_zeros(len(unembed)),
    }


def read_weights(folder: Path, check: Callable[[Weights], object]) -> Weights:
    """Read all weights of a folder: a safetensors file, several with an index, or a torch file.

    Args:
        check: Called with the shapes, on the device "meta", before memory is taken for values.

    Raises:
        ModelFileError: there are no weights, or a file is damaged or holds more than weights.
        ConfigError: the index does not fit its files. Whatever `check` raises passes through.
    """
    if whole := files.find(folder, "model.safetensors"):
        return files.load_safetensors([whole], check)
    if files.find(folder, INDEX):
        return _read_shards(folder, check)
    if pickled := files.find(folder, "pytorch_model.bin"):
        return files.load_torch(pickled, check)
    raise ModelFileError(
        f"There are no weights in '{folder}': no model.safetensors, whole or in shards, and no "
        f"pytorch_model.bin."
    )


def _read_shards(folder: Path, check: Callable[[Weights], object]) -> Weights:
    file_of = files.read_json(folder, INDEX).get("weight_map")
    if not isinstance(file_of, dict) or not all(isinstance(name, str) for name in file_of.values()):
        raise ConfigError(f"{INDEX} has no weight_map from the names of weights to files.")
    shards = []
    for name in sorted(set(file_of.values())):
        shard = files.find(folder, name)
        if shard is None:
            raise ConfigError(f"{INDEX} lists {name!r:.80}, and there is no such file.")
        shards.append(shard)

    def check_all(shapes: Weights) -> None:
        for name in sorted(shapes.keys() ^ file_of.keys()):
            where = "the files" if name in shapes else INDEX
            raise ConfigError(f"{name!r:.80} is only in {where}. It must be in {INDEX} and a file.")
        check(shapes)

    return files.load_safetensors(shards, check_all)
