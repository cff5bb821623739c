"""After a refusal `has_batch_dim` is False, though the axis is still there. The flag is part of the
state as well: set it last.
"""

import logging

logger = logging.getLogger("minicache")


def remove_batch_dim(cache):
    if not cache.has_batch_dim:
        logger.warning("there is no batch axis any more")
        return
    cache.has_batch_dim = False
    for name, tensor in cache.cache_dict.items():
        if tensor.shape[0] != 1:
            raise ValueError(f"{name} has a batch of {tensor.shape[0]}, and not of 1")
    cache.cache_dict = {name: tensor[0] for name, tensor in cache.cache_dict.items()}
    cache.has_batch_dim = False
