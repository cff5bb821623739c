"""A small class that weighs."""

import torch


class Scale:
    def __init__(self, parameters):
        self.there = [p.untyped_storage() for p in parameters]
        self.new = []

    def pack(self, tensor):
        storage = tensor.untyped_storage()
        if all(storage.data_ptr() != one.data_ptr() for one in self.there + self.new):
            self.new.append(storage)
        return tensor.detach()


def saved_bytes(fn, parameters):
    scale = Scale(list(parameters))
    with torch.autograd.graph.saved_tensors_hooks(scale.pack, lambda t: t):
        fn()
    return sum(map(len, scale.new))
