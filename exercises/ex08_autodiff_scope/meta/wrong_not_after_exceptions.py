"""After an exception the mode stays changed. The line that gives it back stands after `yield`, and an
exception skips it. Put it in a `finally`.
"""

from contextlib import contextmanager

import torch


@contextmanager
def autodiff(mode):
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(mode)
    yield
    torch.set_grad_enabled(before)
