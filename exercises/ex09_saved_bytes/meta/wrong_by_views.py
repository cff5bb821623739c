"""A view of a parameter is counted. It is another tensor, so `is` and `in` do not find it among the
parameters, but its memory is theirs. Compare storages.
"""

import torch


def saved_bytes(fn, parameters):
    storages = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in parameters}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if all(tensor is not parameter for parameter in parameters):
            storages[storage.data_ptr()] = storage
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = fn()
    del result
    return sum(storage.nbytes() for storage in storages.values())
