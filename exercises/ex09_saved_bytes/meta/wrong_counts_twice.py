"""A storage that two operations saved is counted twice. Both entries point at the same memory. Tell
storages apart by their address, and count each once.
"""

import torch


def saved_bytes(fn, parameters):
    storages = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in parameters}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[len(storages)] = storage
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = fn()
    del result
    return sum(storage.nbytes() for storage in storages.values())
