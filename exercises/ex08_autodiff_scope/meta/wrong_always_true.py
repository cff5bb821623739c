"""After the block autodiff is on, though it was off before. Someone around you may have turned it off:
remember what was, and give back that.
"""

from contextlib import contextmanager

import torch


@contextmanager
def autodiff(mode):
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(mode)
    try:
        yield
    finally:
        torch.set_grad_enabled(True)
