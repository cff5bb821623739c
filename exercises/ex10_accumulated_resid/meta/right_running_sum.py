"""The states are summed up from what each layer wrote."""

import torch


def accumulated_resid(cache, layer, apply_ln=False):
    model = cache.model
    state = cache["embed"] + cache["pos_embed"]
    rows = [state]
    for block in range(layer):
        state = state + cache["attn_out", block] + cache["mlp_out", block]
        rows.append(state)
    stack = torch.stack(rows)
    if not apply_ln:
        return stack
    last = layer == model.cfg.n_layers
    ln = model.ln_final if last else model.blocks[layer].ln1
    scale = cache["ln_final.hook_scale" if last else f"blocks.{layer}.ln1.hook_scale"]
    return ln.w * (stack - stack.mean(dim=-1)[..., None]) / scale
