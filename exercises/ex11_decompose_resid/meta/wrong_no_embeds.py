"""The embeddings are missing. They are the first thing in the stream: before block 0 it is `embed` plus
`pos_embed`, and nothing else.
"""

import torch


def decompose_resid(cache, layer, mlp_input=False):
    labels = []
    rows = []
    for block in range(layer):
        labels += [f"{block}_attn_out", f"{block}_mlp_out"]
        rows += [cache["attn_out", block], cache["mlp_out", block]]
    if mlp_input:
        labels.append(f"{layer}_attn_out")
        rows.append(cache["attn_out", layer])
    return torch.stack(rows), labels
