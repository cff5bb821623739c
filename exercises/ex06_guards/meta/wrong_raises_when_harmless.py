"""The second call raises. But nothing is wrong: the axis is gone, as was asked. A script that calls it
twice should go on. Log a warning, and return.
"""

import logging

logger = logging.getLogger("minicache")


def remove_batch_dim(cache):
    if not cache.has_batch_dim:
        raise ValueError("there is no batch axis any more")
    for name, tensor in cache.cache_dict.items():
        if tensor.shape[0] != 1:
            raise ValueError(f"{name} has a batch of {tensor.shape[0]}, and not of 1")
    cache.cache_dict = {name: tensor[0] for name, tensor in cache.cache_dict.items()}
    cache.has_batch_dim = False
