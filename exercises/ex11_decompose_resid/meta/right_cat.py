"""Concatenated, with a tuple of labels."""

import torch


def decompose_resid(cache, layer, mlp_input=False):
    names = ["hook_embed", "hook_pos_embed"]
    for block in range(layer):
        names += [f"blocks.{block}.hook_attn_out", f"blocks.{block}.hook_mlp_out"]
    if mlp_input:
        names += [f"blocks.{layer}.hook_attn_out"]
    stack = torch.cat([cache[name].unsqueeze(0) for name in names])
    labels = (n.replace("blocks.", "").replace(".hook", "").replace("hook_", "") for n in names)
    return stack, tuple(labels)
