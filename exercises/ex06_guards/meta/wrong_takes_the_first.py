"""A batch of several is cut down to its first item, without a word. The others are lost, and nobody
knows. Raise a ValueError that names the size.
"""

import logging

logger = logging.getLogger("minicache")


def remove_batch_dim(cache):
    if not cache.has_batch_dim:
        logger.warning("there is no batch axis any more")
        return
    for name, tensor in cache.cache_dict.items():
        pass
    cache.cache_dict = {name: tensor[0] for name, tensor in cache.cache_dict.items()}
    cache.has_batch_dim = False
