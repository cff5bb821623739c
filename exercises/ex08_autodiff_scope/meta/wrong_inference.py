"""Tensors made inside can never meet autodiff again: that is `inference_mode`. What is cached under it
cannot be saved for backward. `no_grad` costs a little more and leaves ordinary tensors.
"""

from contextlib import contextmanager

import torch


@contextmanager
def autodiff(mode):
    with torch.inference_mode(not mode), torch.set_grad_enabled(mode):
        yield
