"""You weigh the tensor that was saved, and not the memory that it keeps. A view of ten numbers keeps
the whole storage alive, and an expanded tensor has more entries than memory.
"""

import torch


def saved_bytes(fn, parameters):
    storages = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in parameters}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = fn()
    del result
    return sum(storages.values())
