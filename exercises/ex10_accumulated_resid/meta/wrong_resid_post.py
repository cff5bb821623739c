"""Your rows are the states after each block. The first row is then the stream after block 0, and the
embeddings are missing. Take `resid_pre`.
"""

import torch


def accumulated_resid(cache, layer, apply_ln=False):
    n_layers = cache.model.cfg.n_layers
    rows = [cache["resid_post", min(block, n_layers - 1)] for block in range(layer + 1)]
    stack = torch.stack(rows)
    if apply_ln:
        if layer == n_layers:
            scale, weight = cache["ln_final.hook_scale"], cache.model.ln_final.w
        else:
            scale, weight = cache["scale", layer, "ln1"], cache.model.blocks[layer].ln1.w
        stack = (stack - stack.mean(-1, keepdim=True)) / scale * weight
    return stack
