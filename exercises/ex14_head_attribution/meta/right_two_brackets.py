"""The weights are centred instead of the direction."""

import torch


def head_attribution(z, W_O, b_O, directions, scale, weight):
    centred = (W_O - W_O.mean(-1, keepdim=True)) * weight
    bias = (b_O - b_O.mean(-1, keepdim=True)) * weight
    reads = torch.einsum("bm,lhdm->lbhd", directions, centred)
    heads = (z * reads[:, :, None]).sum(-1).permute(0, 3, 1, 2).flatten(0, 1)
    last = (directions @ bias.sum(0))[:, None].expand(heads.shape[1:])
    return torch.cat([heads, last[None]]) / scale[None, ..., 0]
