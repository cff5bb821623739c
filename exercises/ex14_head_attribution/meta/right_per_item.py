"""One item and one head at a time."""

import torch


def head_attribution(z, W_O, b_O, directions, scale, weight):
    layers, batch, pos, heads, _ = z.shape
    out = z.new_zeros(layers * heads + 1, batch, pos)
    for item in range(batch):
        d = directions[item] * weight
        d = d - d.mean()
        for layer in range(layers):
            for head in range(heads):
                out[layer * heads + head, item] = z[layer, item, :, head] @ (W_O[layer, head] @ d)
        out[-1, item] = b_O.sum(0) @ d
    return out / scale[..., 0]
