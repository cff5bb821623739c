"""Exercise 6: raise, assert or log. Lesson 10.

`remove_batch_dim` can go wrong in two ways, and the two want different manners. Please write it.

`remove_batch_dim(cache)`: `cache` has `cache_dict`, a dictionary of tensors [batch, ..], and
`has_batch_dim`. It drops the batch axis of every tensor and sets `has_batch_dim` to False. It
returns None.

- If any tensor's batch is not 1, that is the caller's mistake: raise a ValueError. Then the cache
  is exactly as it was, every entry of it. This must hold under `python -O` as well.
- If the axis is gone already, nothing is wrong, but somebody may be confused. Log one warning on
  the logger `minicache`, and change nothing.

    >>> remove_batch_dim(cache)
    >>> cache.cache_dict["hook_embed"].shape
    torch.Size([5, 8])

The messages are yours to word.

You may use all of minicache, but not its own `remove_batch_dim`.
"""


def remove_batch_dim(cache):
    raise NotImplementedError
