"""A dictionary keeps label and row together."""

import torch


def decompose_resid(cache, layer, mlp_input=False):
    parts = {"embed": cache["embed"], "pos_embed": cache["pos_embed"]}
    for block in range(layer + mlp_input):
        parts[f"{block}_attn_out"] = cache["attn_out", block]
        if block < layer:
            parts[f"{block}_mlp_out"] = cache["mlp_out", block]
    return torch.stack(list(parts.values())), list(parts)
