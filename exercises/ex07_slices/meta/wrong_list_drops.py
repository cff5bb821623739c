"""A list of one loses its axis. Whoever gives a list counts on the axis, whatever its length; only an
int drops it. `squeeze` is usually to blame.
"""

import torch


def take(tensor, dim, what):
    key = [slice(None)] * tensor.ndim
    if isinstance(what, tuple):
        key[dim] = slice(*what)
    elif what is not None:
        key[dim] = torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what
    taken = tensor[tuple(key)]
    return taken.squeeze(dim) if isinstance(what, list) and len(what) == 1 else taken
