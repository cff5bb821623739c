"""`mlp_input` adds the wrong attention. The MLP of block `layer` reads what the attention of the same
block has just written, and not that of the block before.
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
        rows.append(cache["attn_out", max(layer - 1, 0)] if layer else cache["mlp_out", 0])
    return torch.stack(rows), labels
