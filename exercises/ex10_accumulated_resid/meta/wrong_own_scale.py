"""Each row goes through the LayerNorm of its own layer. Then the rows live on different scales. All go
through one LayerNorm, the one that reads the stream at `layer`.
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
            scale, weight = cache["ln_final.hook_scale"], cache.model.ln_final.w
        else:
            scale, weight = cache["scale", layer, "ln1"], cache.model.blocks[layer].ln1.w
        scales = [cache["scale", b, "ln1"] for b in range(min(layer + 1, n_layers))]
        scales += [scale] if layer == n_layers else []
        weights = [cache.model.blocks[b].ln1.w for b in range(min(layer + 1, n_layers))]
        weights += [weight] if layer == n_layers else []
        weights = torch.stack(weights)[:, None, None]
        stack = (stack - stack.mean(-1, keepdim=True)) / torch.stack(scales) * weights
    return stack
