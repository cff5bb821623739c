"""One part at a time."""

import torch


def apply_ln(parts, scale, weight):
    shares = []
    for part in parts:
        part = part - part.sum(dim=-1, keepdim=True) / part.size(-1)
        shares.append(weight * (part / scale))
    return torch.stack(shares)
