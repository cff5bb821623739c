"""With `mlp_input` the MLP of block `layer` is there too. But that is what comes next: its input cannot
hold its own output.
"""

import torch


def decompose_resid(cache, layer, mlp_input=False):
    labels = ["embed", "pos_embed"]
    rows = [cache["embed"], cache["pos_embed"]]
    for block in range(layer):
        labels += [f"{block}_attn_out", f"{block}_mlp_out"]
        rows += [cache["attn_out", block], cache["mlp_out", block]]
    if mlp_input:
        labels.append(f"{layer}_attn_out")
        rows.append(cache["attn_out", layer])
        labels.append(f"{layer}_mlp_out")
        rows.append(cache["mlp_out", layer])
    return torch.stack(rows), labels
