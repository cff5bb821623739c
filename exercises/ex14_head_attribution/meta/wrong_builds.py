"""The numbers are right, and every head's output was built on the way: d_model numbers for each head
and position. Let the direction meet W_O first; then z meets only d_head numbers.
"""

import torch


def head_attribution(z, W_O, b_O, directions, scale, weight):
    built = torch.einsum("lbphd,lhdm->lhbpm", z, W_O).flatten(0, 1)
    bias = b_O.sum(0).expand(1, *built.shape[1:])
    built = torch.cat([built, bias])
    normed = (built - built.mean(-1, keepdim=True)) / scale * weight
    return (normed * directions[:, None]).sum(-1)
