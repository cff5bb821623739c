"""The slice always lands on the same axis, whatever `dim` says. Put your key in place `dim` of a list
of `slice(None)`, one for each axis.
"""

import torch


def take(tensor, dim, what):
    key = [slice(None)] * tensor.ndim
    if isinstance(what, tuple):
        key[1] = slice(*what)
    elif what is not None:
        key[1] = torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what
    return tensor[tuple(key)]
