"""After the block the mode is the opposite of what was asked for inside. That is right only by luck.
Ask what the mode is before you change it.
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
        torch.set_grad_enabled(not mode)
