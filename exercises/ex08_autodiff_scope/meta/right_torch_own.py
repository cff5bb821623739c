"""torch's own scope."""

import torch


def autodiff(mode):
    return torch.set_grad_enabled(mode)
