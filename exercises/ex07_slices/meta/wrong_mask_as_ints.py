"""A mask is read as the indices 1 and 0. True and False are ints in Python, so check for bools before
you check for ints, and keep the tensor's dtype bool.
"""

import torch


def take(tensor, dim, what):
    key = [slice(None)] * tensor.ndim
    if isinstance(what, tuple):
        key[dim] = slice(*what)
    elif what is not None:
        key[dim] = (
            torch.as_tensor(what, device=tensor.device).long() if isinstance(what, list) else what
        )
    return tensor[tuple(key)]
