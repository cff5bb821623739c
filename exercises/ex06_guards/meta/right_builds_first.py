"""The new dictionary is built first and put in place last."""

import logging


class BatchSizeError(ValueError):
    pass


def remove_batch_dim(cache):
    if not cache.has_batch_dim:
        logging.getLogger("minicache").warning("no batch axis")
        return None
    new = {}
    for name, tensor in cache.cache_dict.items():
        if tensor.size(0) != 1:
            raise BatchSizeError(name)
        new[name] = tensor[0].clone()
    cache.cache_dict, cache.has_batch_dim = new, False
