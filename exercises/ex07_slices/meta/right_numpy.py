"""By way of numpy."""

import numpy
import torch


def take(tensor, dim, what):
    key = what if what is not None else (None, None)
    key = slice(*key) if isinstance(key, tuple) else key
    return torch.from_numpy(
        numpy.moveaxis(numpy.moveaxis(tensor.numpy(), dim, 0)[key], 0, dim)
        if not isinstance(key, int)
        else numpy.take(tensor.numpy(), key, axis=dim)
    )
