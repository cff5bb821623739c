"""The output biases are counted twice. `attn_out` and `mlp_out` are what was written to the stream, b_O
and b_out included.
"""

import torch


def decompose_resid(cache, layer, mlp_input=False):
    labels = ["embed", "pos_embed"]
    rows = [cache["embed"], cache["pos_embed"]]
    for block in range(layer):
        labels += [f"{block}_attn_out", f"{block}_mlp_out"]
        rows += [
            cache["attn_out", block] + cache.model.b_O[block],
            cache["mlp_out", block] + cache.model.b_out[block],
        ]
    if mlp_input:
        labels.append(f"{layer}_attn_out")
        rows.append(cache["attn_out", layer])
    return torch.stack(rows), labels
