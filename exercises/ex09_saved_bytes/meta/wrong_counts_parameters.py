"""Parameters are weighed too. The graph points at them, but they are in memory anyway: autodiff does
not cost them. Leave out every storage that belongs to a parameter.
"""

import torch


def saved_bytes(fn, parameters):
    storages = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in parameters}

    def pack(tensor):
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = fn()
    del result
    return sum(storage.nbytes() for storage in storages.values())
