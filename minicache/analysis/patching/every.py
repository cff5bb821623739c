"""Several sweeps of patches at once, stacked: the parts of blocks, or the inputs of heads."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from minicache.analysis.patching.runs import Metric, Patchable
from minicache.analysis.patching.sweeps import (
    get_act_patch_attn_head_k_all_pos,
    get_act_patch_attn_head_k_by_pos,
    get_act_patch_attn_head_out_all_pos,
    get_act_patch_attn_head_out_by_pos,
    get_act_patch_attn_head_pattern_all_pos,
    get_act_patch_attn_head_pattern_by_pos,
    get_act_patch_attn_head_q_all_pos,
    get_act_patch_attn_head_q_by_pos,
    get_act_patch_attn_head_v_all_pos,
    get_act_patch_attn_head_v_by_pos,
    get_act_patch_attn_out,
    get_act_patch_mlp_out,
    get_act_patch_resid_pre,
)
from minicache.analysis.protocols import Cached

__all__ = [
    "get_act_patch_attn_head_all_pos_every",
    "get_act_patch_attn_head_by_pos_every",
    "get_act_patch_block_every",
]


def get_act_patch_block_every(
    model: Patchable, corrupted_tokens: Tensor, clean_cache: Cached, metric: Metric, **options: Any
) -> Float[Tensor, "patch_type layer pos"]:
    """The sweeps of resid_pre, attn_out and mlp_out, stacked in this order."""
    sweeps = (get_act_patch_resid_pre, get_act_patch_attn_out, get_act_patch_mlp_out)
    asked = (model, corrupted_tokens, clean_cache, metric)
    return torch.stack([sweep(*asked, **options) for sweep in sweeps])


def get_act_patch_attn_head_all_pos_every(
    model: Patchable, corrupted_tokens: Tensor, clean_cache: Cached, metric: Metric, **options: Any
) -> Float[Tensor, "patch_type layer head"]:
    """The sweeps of every head's output, q, k, v and pattern, stacked in this order.

    With grouped-query attention, k and v have fewer heads; the rows they lack are 0.
    """
    sweeps = (
        get_act_patch_attn_head_out_all_pos,
        get_act_patch_attn_head_q_all_pos,
        get_act_patch_attn_head_k_all_pos,
        get_act_patch_attn_head_v_all_pos,
        get_act_patch_attn_head_pattern_all_pos,
    )
    asked = (model, corrupted_tokens, clean_cache, metric)
    return _stack_heads([sweep(*asked, **options) for sweep in sweeps])


def get_act_patch_attn_head_by_pos_every(
    model: Patchable, corrupted_tokens: Tensor, clean_cache: Cached, metric: Metric, **options: Any
) -> Float[Tensor, "patch_type layer pos head"]:
    """The sweeps of every head's output, q, k, v and pattern by position, stacked in this order.

    A pattern's position is the destination's. With grouped-query attention, k and v have fewer
    heads; the rows they lack are 0.
    """
    sweeps = (
        get_act_patch_attn_head_out_by_pos,
        get_act_patch_attn_head_q_by_pos,
        get_act_patch_attn_head_k_by_pos,
        get_act_patch_attn_head_v_by_pos,
        get_act_patch_attn_head_pattern_by_pos,
    )
    asked = (model, corrupted_tokens, clean_cache, metric)
    *vectors, pattern = [sweep(*asked, **options) for sweep in sweeps]
    return _stack_heads([*vectors, rearrange(pattern, "layer head pos -> layer pos head")])


def _stack_heads(results: list[Tensor]) -> Tensor:
    heads = results[0].shape[-1]
    return torch.stack([F.pad(result, (0, heads - result.shape[-1])) for result in results])
