"""An int keeps its axis, with size 1. An int names one entry, so the axis has nothing left to number
and goes away; a list of one keeps it.
"""

import torch


def take(tensor, dim, what):
    key = [slice(None)] * tensor.ndim
    if isinstance(what, tuple):
        key[dim] = slice(*what)
    elif isinstance(what, int):
        key[dim] = [what]
    elif what is not None:
        key[dim] = torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what
    return tensor[tuple(key)]
