"""The end of a slice is taken along. In Python a stop is not part of it: (1, 3) is 1 and 2, so that
stop - start is the length.
"""

import torch


def take(tensor, dim, what):
    key = [slice(None)] * tensor.ndim
    if isinstance(what, tuple):
        key[dim] = slice(what[0], None if what[1] is None else what[1] + 1)
    elif what is not None:
        key[dim] = torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what
    return tensor[tuple(key)]
