"""A copy of the probe goes to the data."""

from copy import deepcopy

import torch


def probe_mean(resid, lengths, probe):
    here = resid.device
    mine = deepcopy(probe).to(here)
    keep = torch.arange(resid.size(1)).to(here)[None] < lengths[:, None]
    return mine(
        torch.where(keep[..., None], resid, torch.zeros_like(resid)).sum(1) / lengths[:, None]
    )[:, 0]
