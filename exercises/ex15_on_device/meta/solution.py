"""The reference solution."""

import torch


def probe_mean(resid, lengths, probe):
    positions = torch.arange(resid.shape[1], device=resid.device)
    counts = positions < lengths[:, None]
    mean = resid.where(counts[:, :, None], 0).sum(1) / lengths[:, None]
    weight, bias = probe.weight.to(resid.device), probe.bias.to(resid.device)
    return mean @ weight[0] + bias[0]
