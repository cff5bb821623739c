"""The range of layers does the counting."""

from collections.abc import Mapping


class Cache(Mapping):
    def __init__(self, cache_dict, n_layers):
        self.cache_dict = cache_dict
        self.n_layers = n_layers

    def __getitem__(self, address):
        if isinstance(address, tuple) and len(address) == 2:
            name, layer = address
            if not isinstance(name, str) or not isinstance(layer, int) or isinstance(layer, bool):
                raise TypeError(f"{address!r}: give (name, layer)")
            address = f"blocks.{range(self.n_layers)[layer]}.hook_{name}"
        if not isinstance(address, str):
            raise TypeError(f"{address!r} is no address")
        return self.cache_dict[address]

    def __contains__(self, address):
        try:
            self[address]
        except (KeyError, IndexError, TypeError):
            return False
        return True

    def __iter__(self):
        return iter(self.cache_dict)

    def __len__(self):
        return len(self.cache_dict)
