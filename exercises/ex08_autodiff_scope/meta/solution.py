"""The reference solution."""

from contextlib import contextmanager

import torch


@contextmanager
def autodiff(mode):
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(mode)
    try:
        yield
    finally:
        torch.set_grad_enabled(before)
