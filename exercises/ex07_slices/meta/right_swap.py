"""The axis is brought to the front, and back."""

import torch


def take(tensor, dim, what):
    if what is None:
        return tensor.clone()
    front = tensor.transpose(0, dim)
    if isinstance(what, int):
        return tensor.select(dim, what)
    if isinstance(what, tuple):
        return front[slice(*what)].transpose(0, dim)
    return front[torch.tensor(what)].transpose(0, dim)
