"""The modules of a GPT-2-shaped transformer, each with its hook points.

In order: LayerNorm, attention, the MLP, a block, the embeddings, the unembedding. `transformer.py`
puts them together. Parameters have TransformerLens's names and shapes, and hook points its names
and order, so weights and analyses can be used in both. The architecture is GPT-2's [Radford et al.
2019], with GPT-Neo's local attention as an option. Lessons 1 and 2 walk through these modules.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from minicache.hooks import HookPoint
from minicache.model.config import ACTIVATIONS, HookedTransformerConfig

__all__ = ["MLP", "Attention", "Embed", "LayerNorm", "PosEmbed", "TransformerBlock", "Unembed"]


class LayerNorm(nn.Module):
    """Subtract the mean, divide by the standard deviation, multiply by `w` and add `b`.

    With its scale held fixed, this is an affine map, which is what makes attribution possible. Both
    hook points come before `w` and `b`, as in TransformerLens. The statistics are computed in
    float32 or wider, because in float16 the square of 300 is infinite. Hooks get the dtype of `x`.
    """

    centred = True  # an RMSNorm would not subtract the mean

    def __init__(self, d_model: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(d_model))
        self.b = nn.Parameter(torch.zeros(d_model))
        self.hook_scale = HookPoint()
        self.hook_normalized = HookPoint()

    def forward(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        centred = wide - wide.mean(-1, keepdim=True)
        deviation = (centred.pow(2).mean(-1, keepdim=True) + self.eps).sqrt()
        scale = self.hook_scale(deviation.to(x.dtype))
        normalized: Tensor = self.hook_normalized((centred / scale).to(x.dtype))
        return normalized * self.w + self.b


class Attention(nn.Module):
    """Multi-head causal attention: each head sums values, weighted by its attention pattern."""

    def __init__(self, cfg: HookedTransformerConfig, layer: int) -> None:
        super().__init__()
        heads, d_model, d_head = cfg.n_heads, cfg.d_model, cfg.d_head
        self.W_Q = nn.Parameter(torch.empty(heads, d_model, d_head))
        self.W_K = nn.Parameter(torch.empty(heads, d_model, d_head))
        self.W_V = nn.Parameter(torch.empty(heads, d_model, d_head))
        self.b_Q = nn.Parameter(torch.zeros(heads, d_head))
        self.b_K = nn.Parameter(torch.zeros(heads, d_head))
        self.b_V = nn.Parameter(torch.zeros(heads, d_head))
        self.W_O = nn.Parameter(torch.empty(heads, d_head, d_model))
        self.b_O = nn.Parameter(torch.zeros(d_model))
        self.attn_scale = math.sqrt(d_head) if cfg.use_attn_scale else 1.0
        self.window = (
            cfg.window_size if cfg.attn_types and cfg.attn_types[layer] == "local" else None
        )
        self.hook_q, self.hook_k, self.hook_v = HookPoint(), HookPoint(), HookPoint()
        self.hook_z, self.hook_attn_scores, self.hook_pattern = (
            HookPoint(),
            HookPoint(),
            HookPoint(),
        )

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        split = "batch pos d_model, head d_model d -> batch pos head d"
        q = self.hook_q(einsum(x, self.W_Q, split) + self.b_Q)
        k = self.hook_k(einsum(x, self.W_K, split) + self.b_K)
        v = self.hook_v(einsum(x, self.W_V, split) + self.b_V)
        scores = einsum(
            q / self.attn_scale, k, "batch query head d, batch key head d -> batch head query key"
        )
        scores = self.hook_attn_scores(scores.masked_fill(self._causal_mask(scores), -torch.inf))
        pattern = self.hook_pattern(scores.softmax(dim=-1))
        z = self.hook_z(
            einsum(pattern, v, "batch head query key, batch key head d -> batch query head d")
        )
        written: Tensor = einsum(
            z, self.W_O, "batch pos head d, head d d_model -> batch pos d_model"
        )
        return written + self.b_O

    def _causal_mask(
        self, scores: Float[Tensor, "batch head query key"]
    ) -> Bool[Tensor, "query key"]:
        """True for each key that a query cannot attend to: a later one, or one out of window."""
        positions = torch.arange(scores.shape[-1], device=scores.device)
        distance = rearrange(positions, "query -> query 1") - positions
        is_later = distance < 0
        return is_later if self.window is None else is_later | (distance >= self.window)


class MLP(nn.Module):
    """A layer of d_mlp neurons: each reads one direction of the stream, and writes one."""

    def __init__(self, cfg: HookedTransformerConfig) -> None:
        super().__init__()
        self.W_in = nn.Parameter(torch.empty(cfg.d_model, cfg.d_mlp))
        self.b_in = nn.Parameter(torch.zeros(cfg.d_mlp))
        self.W_out = nn.Parameter(torch.empty(cfg.d_mlp, cfg.d_model))
        self.b_out = nn.Parameter(torch.zeros(cfg.d_model))
        self.act_fn = ACTIVATIONS[cfg.act_fn]
        self.hook_pre, self.hook_post = HookPoint(), HookPoint()

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = self.hook_pre(x @ self.W_in + self.b_in)
        post: Tensor = self.hook_post(self.act_fn(pre))
        return post @ self.W_out + self.b_out


class TransformerBlock(nn.Module):
    """Attention and an MLP, each of which reads the residual stream and adds to it."""

    def __init__(self, cfg: HookedTransformerConfig, layer: int) -> None:
        super().__init__()
        self.ln1 = LayerNorm(cfg.d_model, cfg.eps)
        self.attn = Attention(cfg, layer)
        self.mlp: MLP | None = None
        if not cfg.attn_only:
            self.ln2 = LayerNorm(cfg.d_model, cfg.eps)
            self.mlp = MLP(cfg)
            self.hook_resid_mid, self.hook_mlp_out = HookPoint(), HookPoint()
        self.hook_resid_pre, self.hook_attn_out = HookPoint(), HookPoint()
        self.hook_resid_post = HookPoint()

    def forward(
        self, resid_pre: Float[Tensor, "batch pos d_model"]
    ) -> Float[Tensor, "batch pos d_model"]:
        resid_pre = self.hook_resid_pre(resid_pre)
        resid = resid_pre + self.hook_attn_out(self.attn(self.ln1(resid_pre)))
        if self.mlp is not None:
            resid = self.hook_resid_mid(resid)
            resid = resid + self.hook_mlp_out(self.mlp(self.ln2(resid)))
        return cast(Tensor, self.hook_resid_post(resid))


class Embed(nn.Module):
    """Look up the embedding of each token, a row of W_E."""

    def __init__(self, cfg: HookedTransformerConfig) -> None:
        super().__init__()
        self.W_E = nn.Parameter(torch.empty(cfg.d_vocab, cfg.d_model))

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        return self.W_E[tokens]


class PosEmbed(nn.Module):
    """Look up the learned embedding of each position, a row of W_pos."""

    def __init__(self, cfg: HookedTransformerConfig) -> None:
        super().__init__()
        self.W_pos = nn.Parameter(torch.empty(cfg.n_ctx, cfg.d_model))

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        batch, pos = tokens.shape
        # Without clone this is a view of W_pos, and a hook that writes into it changes the weights.
        return repeat(self.W_pos[:pos], "pos d_model -> batch pos d_model", batch=batch).clone()


class Unembed(nn.Module):
    """Compute each token's logit: the stream's dot product with its column of W_U, plus b_U."""

    def __init__(self, cfg: HookedTransformerConfig) -> None:
        super().__init__()
        self.W_U = nn.Parameter(torch.empty(cfg.d_model, cfg.d_vocab))
        self.b_U = nn.Parameter(torch.zeros(cfg.d_vocab))
        self.hook_in, self.hook_out = HookPoint(), HookPoint()

    def forward(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_vocab"]:
        return cast(Tensor, self.hook_out(self.hook_in(x) @ self.W_U + self.b_U))
