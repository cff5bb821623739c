"""The last state is missing: at layer = n_layers there is one more place than blocks. The stream after
the last block is `resid_post` of that block.
"""

import torch


def accumulated_resid(cache, layer, apply_ln=False):
    n_layers = cache.model.cfg.n_layers
    rows = [cache["resid_pre", block] for block in range(min(layer + 1, n_layers))]
    stack = torch.stack(rows)
    if apply_ln:
        if layer == n_layers:
            scale, weight = cache["ln_final.hook_scale"], cache.model.ln_final.w
        else:
            scale, weight = cache["scale", layer, "ln1"], cache.model.blocks[layer].ln1.w
        stack = (stack - stack.mean(-1, keepdim=True)) / scale * weight
    return stack
