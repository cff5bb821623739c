"""Hold and check a transformer's sizes and options: `HookedTransformerConfig`.

Names are TransformerLens's, for the part of its configuration that minicache has. TransformerLens's
other settings may be given too, with the one value that is true of minicache's models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from minicache.errors import ConfigError, nearest

__all__ = ["HookedTransformerConfig"]


def gelu_new(x: Tensor) -> Tensor:
    """Compute GPT-2's GELU, which approximates the error function by a tanh."""
    return F.gelu(x, approximate="tanh")


ACTIVATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "gelu_new": gelu_new,
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
}
# Settings of TransformerLens that are no fields here, and the one value that minicache supports.
FIXED: Final[dict[str, object]] = {
    "normalization_type": "LN",
    "positional_embedding_type": "standard",
    "attention_dir": "causal",
    "init_mode": "gpt2",
    "init_weights": True,
    "default_prepend_bos": True,
    "dtype": torch.float32,
    "n_devices": 1,
    "attn_scores_soft_cap": -1.0,
    "output_logits_soft_cap": -1.0,
    **dict.fromkeys(
        (
            *("use_attn_result", "use_split_qkv_input", "use_attn_in", "use_hook_mlp_in"),
            *("use_hook_tokens", "use_qk_norm", "use_logn_attn", "use_attention_sinks"),
            *("gated_mlp", "parallel_attn_mlp", "scale_attn_by_inverse_layer_idx"),
            *("uses_rms_norm", "final_rms", "layer_norm_folding", "post_embedding_ln"),
            *("use_normalization_before_and_after", "tie_word_embeddings", "from_checkpoint"),
            *("use_dynamic_ntk_rope", "use_NTK_by_parts_rope", "use_yarn_rope", "load_in_4bit"),
            *("ungroup_grouped_query_attention", "trust_remote_code"),
        ),
        False,
    ),
    **dict.fromkeys(
        (
            *("rotary_dim", "num_experts", "experts_per_token", "clip_qkv", "tokenizer_name"),
            *("tokenizer_prepends_bos", "decoder_start_token_id", "quantization_method"),
        ),
        None,
    ),
}
# Prefixes of settings that do not change what the model computes, or refine settings that are off.
WITHOUT_EFFECT: Final = (
    *("model_name", "original_architecture", "n_params", "train_seq_length", "norm_topk_prob"),
    *("rotary_", "NTK_", "yarn_", "relative_attention_", "checkpoint_"),
)


@dataclass(init=False)
class HookedTransformerConfig:
    """The sizes and options of a transformer, checked when it is made.

    Args:
        n_heads: d_model // d_head, if left out.
        d_mlp: 4 * d_model, if left out.
        act_fn: `gelu_new`, `gelu`, `relu` or `silu`.
        attn_only: Blocks have no MLP.
        use_attn_scale: Divide attention scores by sqrt(d_head). GPT-2 does; GPT-Neo does not.
        attn_types: `"global"` or `"local"` for each layer. None makes all global.
        window_size: How many positions a local layer's query attends to, its own included.
        init_range: Standard deviation of the initial weights.
        seed: Seed of the initial weights. None draws from torch's global generator.
        transformer_lens: Further settings of TransformerLens, such as `normalization_type="LN"`,
            each with the one value that minicache supports.

    Raises:
        ConfigError: the values do not fit together, or minicache does not support one of them.
    """

    n_layers: int
    d_model: int
    n_ctx: int
    d_head: int
    d_vocab: int
    n_heads: int
    d_mlp: int
    act_fn: str
    attn_only: bool
    eps: float
    use_attn_scale: bool
    attn_types: list[str] | None
    window_size: int | None
    init_range: float
    seed: int | None

    def __init__(
        self,
        n_layers: int,
        d_model: int,
        n_ctx: int,
        d_head: int,
        d_vocab: int,
        n_heads: int | None = None,
        d_mlp: int | None = None,
        act_fn: str | None = "gelu_new",
        attn_only: bool = False,
        eps: float = 1e-5,
        use_attn_scale: bool = True,
        attn_types: Sequence[str] | None = None,
        window_size: int | None = None,
        init_range: float | None = None,
        seed: int | None = None,
        **transformer_lens: Any,
    ) -> None:
        self.n_layers, self.d_model, self.n_ctx = n_layers, d_model, n_ctx
        self.d_head, self.d_vocab = d_head, d_vocab
        self._check_counts("n_layers", "d_model", "n_ctx", "d_head", "d_vocab")
        self.n_heads = d_model // d_head if n_heads is None or n_heads == -1 else n_heads
        self.d_mlp = 4 * d_model if d_mlp is None else d_mlp
        self._check_counts("n_heads", "d_mlp")
        self.attn_only, self.use_attn_scale = attn_only, use_attn_scale
        self.act_fn = "gelu_new" if act_fn is None and attn_only else act_fn  # type: ignore[assignment]  # None is refused below
        self.eps, self.seed = eps, seed
        self.init_range = 0.02 if init_range is None else init_range
        if "initializer_range" in transformer_lens:
            self.init_range = self._resolve_init_range(
                init_range, transformer_lens.pop("initializer_range")
            )
        self.attn_types = list(attn_types) if isinstance(attn_types, tuple) else attn_types  # type: ignore[assignment]  # checked below
        self.window_size = window_size
        self._check_options()
        self._check_attn_types()
        self._check_transformer_lens(transformer_lens)

    def _check_counts(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if not _is_int(value) or value < 1:
                raise ConfigError(
                    f"{name}={value!r:.80}: this is a size or a number of things. Give an int "
                    f"from 1."
                )

    def _resolve_init_range(self, init_range: float | None, initializer_range: Any) -> Any:
        """Read TransformerLens's `initializer_range`: below 0 it means 0.8 / sqrt(d_model)."""
        if init_range is not None and init_range != initializer_range:
            raise ConfigError(
                f"init_range={init_range!r} and initializer_range={initializer_range!r} are two "
                f"names of the same setting. Give only one of them."
            )
        unset = isinstance(initializer_range, int | float) and initializer_range < 0
        return 0.8 / math.sqrt(self.d_model) if unset else initializer_range

    def _check_options(self) -> None:
        if not isinstance(self.act_fn, str) or self.act_fn not in ACTIVATIONS:
            raise ConfigError(
                f"act_fn={self.act_fn!r:.80} is unknown. Give one of {', '.join(ACTIVATIONS)}."
            )
        for name in ("attn_only", "use_attn_scale"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}={getattr(self, name)!r:.80}: give True or False.")
        for name in ("eps", "init_range"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value < math.inf:
                raise ConfigError(f"{name}={value!r:.80}: give a finite number above 0.")
        if self.seed is not None and not (_is_int(self.seed) and abs(self.seed) < 2**63):
            raise ConfigError(f"seed={self.seed!r:.80}: give an int below 2**63, or None.")

    def _check_attn_types(self) -> None:
        types = self.attn_types
        if self.window_size is not None:
            self._check_counts("window_size")
        if types is None:
            return
        if not isinstance(types, list) or any(kind not in ("global", "local") for kind in types):
            raise ConfigError(
                f"attn_types={types!r:.80}: give a list of 'global' and 'local', one a layer."
            )
        if len(types) != self.n_layers:
            raise ConfigError(
                f"attn_types has {len(types)} entries, and n_layers={self.n_layers}. Give one "
                f"entry for each layer."
            )
        if "local" in types and self.window_size is None:
            raise ConfigError(
                "attn_types has a local layer, and window_size=None. Give a window_size from 1."
            )

    def _check_transformer_lens(self, given: dict[str, Any]) -> None:
        fitting = {name: (value,) for name, value in FIXED.items()} | {
            "attn_scale": (-1.0, *([math.sqrt(self.d_head)] if self.use_attn_scale else [])),
            "d_vocab_out": (-1, self.d_vocab),
            "device": (None, "cpu", torch.device("cpu")),
            "n_key_value_heads": (None, self.n_heads),
            "use_local_attn": ("local" in (self.attn_types or ()),),
        }
        for name, value in given.items():
            if name.startswith(WITHOUT_EFFECT):
                continue
            if name not in fitting:
                known = [*(field.name for field in fields(self)), *fitting]
                raise ConfigError(f"No setting is called {name!r:.80}.{nearest(name, known)}")
            if not any(value == fits for fits in fitting[name]):
                raise ConfigError(
                    f"{name}={value!r:.80}: minicache does not support that. "
                    f"Give {' or '.join(map(repr, fitting[name]))}, or leave it out."
                )


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
