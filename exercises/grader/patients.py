"""Models to try answers on. Every axis has a size of its own and no weight or bias is zero, so that
a forgotten bias shows, and a transposed axis too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from minicache import ActivationCache, HookedTransformer, HookedTransformerConfig

__all__ = ["patient", "run"]


def patient(n_layers: int = 2, n_heads: int = 3, attn_only: bool = False) -> HookedTransformer:
    """A small random model in float64."""
    cfg = HookedTransformerConfig(
        n_layers=n_layers,
        d_model=10,
        n_ctx=9,
        d_head=4,
        n_heads=n_heads,
        d_mlp=7,
        d_vocab=11,
        attn_only=attn_only,
        seed=0,
    )
    model = HookedTransformer(cfg).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(0.5 * noise + (parameter.mean() if parameter.ndim == 1 else 0))
    return model.requires_grad_(False)


def run(**shape: int) -> tuple[HookedTransformer, Tensor, Tensor, ActivationCache]:
    """(model, tokens [2, 5], logits, cache) of one run."""
    model = patient(**shape)
    tokens = torch.tensor([[1, 2, 3, 4, 5], [6, 1, 7, 2, 8]])
    logits, cache = model.run_with_cache(tokens)
    return model, tokens, logits, cache
