"""The position embedding is missing. The stream starts as the sum of two embeddings, of the token and
of its place.
"""

import torch


def decompose_resid(cache, layer, mlp_input=False):
    labels = ["embed"]
    rows = [cache["embed"]]
    for block in range(layer):
        labels += [f"{block}_attn_out", f"{block}_mlp_out"]
        rows += [cache["attn_out", block], cache["mlp_out", block]]
    if mlp_input:
        labels.append(f"{layer}_attn_out")
        rows.append(cache["attn_out", layer])
    return torch.stack(rows), labels
