"""Everything becomes a list of indices."""

import torch


def take(tensor, dim, what):
    size = tensor.shape[dim]
    every = list(range(size))
    if isinstance(what, int):
        return torch.index_select(tensor, dim, torch.tensor([every[what]])).squeeze(dim)
    if isinstance(what, tuple):
        chosen = every[slice(*what)]
    elif what is None:
        chosen = every
    elif what and isinstance(what[0], bool):
        chosen = [i for i, wanted in zip(every, what) if wanted]
    else:
        chosen = [every[i] for i in what]
    return tensor.index_select(dim, torch.tensor(chosen))
