"""You take the scale of the layer before. The stream at `layer` is read by `ln1` of block `layer`
itself, and at the end by `ln_final`.
"""

import torch


def accumulated_resid(cache, layer, apply_ln=False):
    n_layers = cache.model.cfg.n_layers
    rows = [cache["resid_pre", block] for block in range(min(layer + 1, n_layers))]
    if layer == n_layers:
        rows.append(cache["resid_post", -1])
    stack = torch.stack(rows)
    if apply_ln:
        if layer == n_layers:
            scale, weight = cache["scale", layer - 1, "ln1"], cache.model.blocks[layer - 1].ln1.w
        else:
            scale, weight = (
                cache["scale", max(layer - 1, 0), "ln1"],
                cache.model.blocks[max(layer - 1, 0)].ln1.w,
            )
        stack = (stack - stack.mean(-1, keepdim=True)) / scale * weight
    return stack
