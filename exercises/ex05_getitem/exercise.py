"""Exercise 5: resolution. Lesson 9.

Why does a cache have `__getitem__`, when it could show its dictionary? Because an address is more
than a key. Please write the part that finds out what is meant.

`Cache(cache_dict, n_layers)` holds activations under full names such as `blocks.1.hook_q`.

- `cache["blocks.1.hook_q"]`: a full name is looked up as it is.
- `cache["q", 1]`: a name and a layer mean `blocks.1.hook_q`. A negative layer counts from the end,
  as in a list: -1 is the last.
- A name that is not there raises a KeyError, a layer out of range an IndexError, and anything that
  is no address (a float, None, a pair with a string for its layer) a TypeError.
- `address in cache` is true exactly where `cache[address]` works. It never raises.
- `len(cache)` counts the entries, and iteration gives the full names.

    >>> cache = Cache({"blocks.0.hook_q": a, "blocks.1.hook_q": b}, n_layers=2)
    >>> cache["q", -1] is b
    True

Subclasses of the exceptions are fine, and so are any other methods.

You may use all of minicache, but not its own `ActivationCache`.
"""

from collections.abc import Mapping


class Cache(Mapping):
    def __init__(self, cache_dict, n_layers):
        self.cache_dict = cache_dict
        self.n_layers = n_layers

    def __getitem__(self, address):
        raise NotImplementedError

    def __contains__(self, address):
        raise NotImplementedError

    def __iter__(self):
        return iter(self.cache_dict)

    def __len__(self):
        return len(self.cache_dict)
