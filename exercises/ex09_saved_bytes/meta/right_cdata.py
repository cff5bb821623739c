"""Storages told apart by identity."""

import torch


def saved_bytes(fn, parameters):
    seen = {p.untyped_storage()._cdata: 0 for p in parameters}
    alive = []

    def pack(tensor):
        alive.append(tensor.untyped_storage())
        seen.setdefault(alive[-1]._cdata, alive[-1].nbytes())
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
        result = fn()
    del result
    return sum(seen.values())
