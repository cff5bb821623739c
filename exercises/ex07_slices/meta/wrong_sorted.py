"""The entries of a list come in the order of the tensor. A list says which entries and in which order,
and may name one twice.
"""

import torch


def take(tensor, dim, what):
    key = [slice(None)] * tensor.ndim
    if isinstance(what, list) and not isinstance(what[0], bool):
        what = sorted(set(what))
    if isinstance(what, tuple):
        key[dim] = slice(*what)
    elif what is not None:
        key[dim] = torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what
    return tensor[tuple(key)]
