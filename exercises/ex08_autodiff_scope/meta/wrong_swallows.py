"""The exception disappears in your `finally` or `__exit__`. The caller then works on with a result that
was never made. Do not `return` from a `finally`.
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
        torch.set_grad_enabled(before)
        return
