"""You take one block too many. The stream before block `layer` has not heard of that block yet:
`range(layer)`.
"""

import torch


def decompose_resid(cache, layer, mlp_input=False):
    labels = ["embed", "pos_embed"]
    rows = [cache["embed"], cache["pos_embed"]]
    for block in range(min(layer + 1, cache.model.cfg.n_layers)):
        labels += [f"{block}_attn_out", f"{block}_mlp_out"]
        rows += [cache["attn_out", block], cache["mlp_out", block]]
    if mlp_input:
        labels.append(f"{layer}_attn_out")
        rows.append(cache["attn_out", layer])
    return torch.stack(rows), labels
