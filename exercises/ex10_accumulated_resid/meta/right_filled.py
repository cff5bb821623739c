"""A tensor that is filled row by row, in float32."""

import torch


def accumulated_resid(cache, layer, apply_ln=False):
    n = cache.model.cfg.n_layers
    stack = torch.empty(layer + 1, *cache["resid_pre", 0].shape)
    for row in range(layer + 1):
        stack[row] = cache["resid_post", row - 1] if row else cache["resid_pre", 0]
    if apply_ln:
        name = "ln_final.hook_scale" if layer == n else ("scale", layer, "ln1")
        weight = cache.model.ln_final.w if layer == n else cache.model.blocks[layer].ln1.w
        for row in range(layer + 1):
            centred = stack[row] - stack[row].mean(-1, keepdim=True)
            stack[row] = centred / cache[name] * weight
    return stack
