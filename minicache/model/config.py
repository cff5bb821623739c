"""The shape of a transformer: a configuration that checks itself.

Names are TransformerLens's, for the part of its configuration that minicache has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch.nn.functional as F
from torch import Tensor

from minicache.errors import ConfigError

__all__ = ["HookedTransformerConfig"]

ACTIVATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
}


@dataclass
class HookedTransformerConfig:
    """The shape of a transformer. It checks itself.

    Attributes:
        n_heads: d_model // d_head, if left out.
        d_mlp: 4 * d_model, if left out.
        act_fn: `gelu_new`, `gelu`, `relu` or `silu`.
        attn_only: Blocks have no MLP.
        use_attn_scale: Divide attention scores by sqrt(d_head). GPT-2 does; GPT-Neo does not.
        attn_types: `"global"` or `"local"` for each layer. None makes all global.
        window_size: How many positions, itself included, a local layer's query sees.
        init_range: Standard deviation of the first weights.
        seed: Of the first weights. None draws from torch's global generator.

    Raises:
        ConfigError: the values do not fit together.
    """

    n_layers: int
    d_model: int
    n_ctx: int
    d_head: int
    d_vocab: int
    n_heads: int | None = None
    d_mlp: int | None = None
    act_fn: str = "gelu_new"
    attn_only: bool = False
    eps: float = 1e-5
    use_attn_scale: bool = True
    attn_types: list[str] | None = None
    window_size: int | None = None
    init_range: float = 0.02
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("n_layers", "d_model", "n_ctx", "d_head", "d_vocab"):
            self._check_count(name)
        if self.n_heads is None:
            self.n_heads = self.d_model // self.d_head
        if self.d_mlp is None:
            self.d_mlp = 4 * self.d_model
        self._check_count("n_heads")
        self._check_count("d_mlp")
        if not isinstance(self.act_fn, str) or self.act_fn not in ACTIVATIONS:
            raise ConfigError(
                f"act_fn={self.act_fn!r:.80} is unknown. Known: {', '.join(ACTIVATIONS)}."
            )
        for name in ("attn_only", "use_attn_scale"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}={getattr(self, name)!r:.80}: give True or False.")
        for name in ("eps", "init_range"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value < math.inf:
                raise ConfigError(f"{name}={value!r:.80}: give a finite number above 0.")
        if self.seed is not None and not (type(self.seed) is int and abs(self.seed) < 2**63):
            raise ConfigError(f"seed={self.seed!r:.80}: give an int below 2**63, or None.")
        types = self.attn_types
        listed = isinstance(types, list | tuple)
        if types is not None and not (
            listed and all(kind in ("global", "local") for kind in types)
        ):
            raise ConfigError(f"attn_types={types!r:.80}: give a list of 'global' and 'local'.")
        if types is not None and len(types) != self.n_layers:
            raise ConfigError(
                f"attn_types names {len(types)} layers, and n_layers={self.n_layers}."
            )
        if self.window_size is not None:
            self._check_count("window_size")
        elif "local" in (types or ()):
            raise ConfigError("Local layers need a window_size from 1, not None.")

    def _check_count(self, name: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{name}={value!r:.80}: it counts something, so give an int from 1.")
