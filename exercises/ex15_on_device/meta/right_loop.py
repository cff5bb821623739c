"""One item at a time."""

import torch


def probe_mean(resid, lengths, probe):
    weight, bias = (p.to(resid.device) for p in (probe.weight, probe.bias))
    means = [item[:length].mean(0) for item, length in zip(resid, lengths.tolist())]
    return (torch.stack(means) @ weight.T + bias).squeeze(-1)
