"""When the third entry is refused, the first two have changed already. The cache is then neither one
thing nor the other. Check every entry before you change any.
"""

import logging

logger = logging.getLogger("minicache")


def remove_batch_dim(cache):
    if not cache.has_batch_dim:
        logger.warning("there is no batch axis any more")
        return
    for name, tensor in list(cache.cache_dict.items()):
        if tensor.shape[0] != 1:
            raise ValueError(name)
        cache.cache_dict[name] = tensor[0]
    cache.has_batch_dim = False
