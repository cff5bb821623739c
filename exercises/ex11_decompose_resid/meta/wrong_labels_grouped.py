"""The labels are right and in another order than the rows: all attentions first. A label that stands
by the wrong row is worse than none. Add row and label together.
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
    order = sorted(labels[2:], key=lambda label: label.endswith("mlp_out"))
    return torch.stack(rows), labels[:2] + order
