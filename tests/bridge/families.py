"""Random models of any decoder family of `transformers`, made from its name: small, and uneven.

Most families need nothing but their `model_type`: their configuration's own attributes are made
small wherever it has them. `QUIRKS` holds what a few ask for besides.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

# Sizes that differ from one another, so that a swapped axis shows.
SIZES: dict[str, Any] = {
    "vocab_size": 67,
    "hidden_size": 24,
    "n_embd": 24,
    "d_model": 24,
    "embed_dim": 24,
    "num_hidden_layers": 3,
    "n_layer": 3,
    "n_layers": 3,
    "num_layers": 3,
    "decoder_layers": 3,
    "num_attention_heads": 4,
    "n_head": 4,
    "n_heads": 4,
    "num_heads": 4,
    "decoder_attention_heads": 4,
    "attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 6,
    "intermediate_size": 36,
    "ffn_dim": 36,
    "n_inner": 36,
    "ffn_hidden_size": 36,
    "decoder_ffn_dim": 36,
    "max_position_embeddings": 64,
    "n_positions": 64,
    "max_seq_len": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "num_local_experts": 3,
    "num_experts": 3,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 20,
    "shared_expert_intermediate_size": 20,
    "n_group": 1,
    "topk_group": 1,
    "sliding_window": 5,
    "rotary_dim": 4,
    "use_mamba_kernels": False,
    "use_cache": False,
}
_MLA: dict[str, Any] = {
    "qk_nope_head_dim": 6,
    "qk_rope_head_dim": 4,
    "v_head_dim": 5,
    "kv_lora_rank": 8,
    "q_lora_rank": 12,
    "num_key_value_heads": 4,
    "head_dim": 4,
}
_MAMBA2: dict[str, Any] = {
    "mamba_n_heads": 6,
    "mamba_d_head": 8,
    "mamba_d_state": 7,
    "mamba_n_groups": 1,
    "mamba_expand": 2,
    "mamba_chunk_size": 4,
}
# What a few families ask for besides: widths that must fit each other, layers of several kinds.
QUIRKS: dict[str, dict[str, Any]] = {
    "bamba": {**_MAMBA2, "attn_layer_indices": [1]},
    "ctrl": {"dff": 36},
    "deepseek_v2": _MLA,
    "deepseek_v3": _MLA,
    "falcon_h1": {**_MAMBA2, "mamba_d_ssm": 48},
    "gpt_neo": {"attention_types": [[["global", "local"], 1], [["global"], 1]], "window_size": 4},
    "granitemoehybrid": {**_MAMBA2, "layer_types": ["mamba", "attention", "mamba"]},
    "mamba2": {"num_heads": 6, "head_dim": 8, "state_size": 7, "n_groups": 1, "chunk_size": 4},
    "minicpm3": _MLA,
    "persimmon": {"head_dim": None, "partial_rotary_factor": 1.0},
    "phi": {"partial_rotary_factor": 0.67},
    "zamba2": {"layer_types": ["mamba", "hybrid", "mamba"]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_dt_rank": 3},
}


def tiny_config(family: str, **more: Any) -> Any:
    """The configuration of a small random model of a family, named as `transformers` names it."""
    from transformers import CONFIG_MAPPING

    cls = CONFIG_MAPPING[family]
    default = cls()
    names = {*vars(default), *getattr(cls, "attribute_map", {})}
    sizes = {name: value for name, value in SIZES.items() if name in names}
    sizes |= QUIRKS.get(family, {}) | more
    return cls(**sizes)


def tiny_model(family: str, dtype: torch.dtype = torch.float64, **more: Any) -> Any:
    """A random model of a family, its weights far from zero, in eval mode."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = tiny_config(family, **more)
        config._experts_implementation = "eager"  # the grouped product knows no float64
        model = AutoModelForCausalLM.from_config(config)
    return shake(model).to(dtype).eval()


@torch.no_grad()
def shake(model: nn.Module) -> nn.Module:
    """Random values for all weights: none is a 0 or 1 that would hide a mistake."""
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if weight.is_floating_point() and not any(w in name for w in ("A_log", "dt_", ".D")):
            noise = torch.randn(weight.shape, generator=generator)
            centre = weight.float().mean() if weight.ndim == 1 else 0.0
            weight.copy_(
                centre + 0.3 * noise if weight.ndim == 1 else noise / weight.shape[-1] ** 0.5
            )
    return model
