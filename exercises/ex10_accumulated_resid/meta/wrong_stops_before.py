"""The row of `layer` itself is missing. The stream before block `layer` is what that block reads, so
there are layer + 1 rows.
"""

import torch


def accumulated_resid(cache, layer, apply_ln=False):
    n_layers = cache.model.cfg.n_layers
    rows = [cache["resid_pre", block] for block in range(layer)]
    if layer == n_layers:
        rows.append(cache["resid_post", -1])
    stack = torch.stack(rows)
    if apply_ln:
        if layer == n_layers:
            scale, weight = cache["ln_final.hook_scale"], cache.model.ln_final.w
        else:
            scale, weight = cache["scale", layer, "ln1"], cache.model.blocks[layer].ln1.w
        stack = (stack - stack.mean(-1, keepdim=True)) / scale * weight
    return stack
