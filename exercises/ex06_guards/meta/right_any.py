"""One condition over all entries."""

import logging


def remove_batch_dim(cache):
    if cache.has_batch_dim:
        sizes = {len(tensor) for tensor in cache.cache_dict.values()}
        if sizes - {1}:
            raise ValueError(f"batches of {sorted(sizes)}")
        cache.cache_dict = {k: t.squeeze(0) for k, t in cache.cache_dict.items()}
        cache.has_batch_dim = False
    else:
        logging.getLogger("minicache").warning("nothing to remove")
