"""One of two scopes of torch."""

from contextlib import contextmanager

import torch


@contextmanager
def autodiff(mode):
    with torch.enable_grad() if mode else torch.no_grad():
        yield mode
