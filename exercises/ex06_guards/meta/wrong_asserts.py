"""The guard is an `assert`. It raises an AssertionError, and under `python -O` it is gone and the
cache is damaged. `assert` is for what no input can break; a caller's mistake needs `raise`.
"""

import logging

logger = logging.getLogger("minicache")


def remove_batch_dim(cache):
    if not cache.has_batch_dim:
        logger.warning("there is no batch axis any more")
        return
    for name, tensor in cache.cache_dict.items():
        assert tensor.shape[0] == 1, name
    cache.cache_dict = {name: tensor[0] for name, tensor in cache.cache_dict.items()}
    cache.has_batch_dim = False
