"""A tuple is read as a list of indices. (1, 3) means from 1 up to 3, as the arguments of `slice` do."""

import torch


def take(tensor, dim, what):
    key = [slice(None)] * tensor.ndim
    if isinstance(what, tuple):
        key[dim] = list(i for i in what if i is not None)
    elif what is not None:
        key[dim] = torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what
    return tensor[tuple(key)]
