"""The rows are in another order: the heads of all layers mixed. Layer is the outer axis and head the
inner one, as in L0H0, L0H1, .., L1H0.
"""

import torch
from einops import einsum, rearrange


def head_attribution(z, W_O, b_O, directions, scale, weight):
    carried = directions * weight
    carried = carried - carried.mean(-1, keepdim=True)
    reads = einsum(carried, W_O, "batch d, layer head d_head d -> layer batch head d_head")
    met = einsum(
        z, reads, "layer batch pos head d_head, layer batch head d_head -> layer head batch pos"
    )
    heads = rearrange(met, "layer head batch pos -> (head layer) batch pos")
    bias = (carried @ b_O.sum(0))[None, :, None].expand(1, *heads.shape[1:])
    return torch.cat([heads, bias]) / scale[..., 0]
