"""Predict from the configuration how many bytes autograd keeps for a backward pass."""

from __future__ import annotations

import torch

from minicache.errors import ConfigError
from minicache.model.config import HookedTransformerConfig

__all__ = ["predict_saved_bytes"]


def predict_saved_bytes(
    cfg: HookedTransformerConfig, batch: int, pos: int, dtype: torch.dtype = torch.float32
) -> int:
    """Predict `saved_for_backward(lambda: model(tokens)).total` by a formula, without a run.

    The formula counts the tensors that autograd keeps in a forward pass to the logits, for tokens
    [batch, pos]. It follows the order of the code in `layers.py`. Parameters and the tokens are
    not counted.

    Raises:
        ConfigError: `batch` or `pos` is not an int from 1, `pos` is more than n_ctx, or `dtype` is
            not floating-point.
    """
    for name, value, most in (("batch", batch, None), ("pos", pos, cfg.n_ctx)):
        if type(value) is not int or value < 1 or (most is not None and value > most):
            limit = f" to n_ctx={most}" if most else ""
            raise ConfigError(f"{name}={value!r}: give an int from 1{limit}.")
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ConfigError(f"dtype={dtype!r}: give a floating dtype, such as torch.float32.")
    heads, d_head, d_mlp = cfg.n_heads, cfg.d_head, cfg.d_mlp
    tokens = batch * pos
    stream = tokens * cfg.d_model
    size, wide = dtype.itemsize, max(dtype.itemsize, 4)  # a LayerNorm computes in float32 at least
    layer_norm = (
        wide * stream  # centred: its square's derivative and the division's both need it
        + wide * tokens  # the standard deviation: one number for each token
        + (size * tokens if size < wide else 0)  # scale: a copy of it, if the dtype is narrower
        + size * stream  # normalized: the derivative by the weight w needs it
    )
    attention = size * (
        stream  # the LayerNorm's output, once for q, k and v
        + _count_copied_weights(cfg)  # W_Q, W_K, W_V
        + 3 * tokens * heads * d_head  # q / attn_scale, k and v, each contiguous for the product
        + batch * heads * pos * pos  # the pattern, softmax's own result; the scores are not kept
        + tokens * heads * d_head  # z, for W_O
    )
    mask = pos * pos  # the causal mask: bools, one byte each
    # gelu and silu keep their input (pre), and W_out keeps their output (post). relu's derivative
    # needs only its output, which W_out keeps anyway.
    mlp = size * (stream + (1 if cfg.act_fn == "relu" else 2) * tokens * d_mlp)
    block = layer_norm + attention + mask + (0 if cfg.attn_only else layer_norm + mlp)
    unembed = size * stream  # the final LayerNorm's output, for W_U
    return cfg.n_layers * block + layer_norm + unembed


def _count_copied_weights(cfg: HookedTransformerConfig) -> int:
    """Count the numbers in the graph's copies of W_Q, W_K and W_V as [d_model, head * d_head].

    Each weight is [head, d_model, d_head] in memory, and einsum multiplies with one matrix that has
    the heads side by side. Unless an axis has size 1, that matrix is a copy and not a view.
    """
    copied = cfg.n_heads > 1 and cfg.d_model > 1 and cfg.d_head > 1
    return 3 * cfg.n_heads * cfg.d_model * cfg.d_head if copied else 0
