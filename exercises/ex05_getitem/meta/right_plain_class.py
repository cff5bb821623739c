"""No Mapping, and errors of its own."""


class MissingLayer(IndexError):
    pass


class Missing(KeyError):
    pass


class Cache:
    def __init__(self, cache_dict, n_layers):
        self.entries, self.n = dict(cache_dict), n_layers

    def _name(self, address):
        match address:
            case str():
                return address
            case (str(name), int(layer)) if not isinstance(layer, bool):
                layer = layer + self.n if layer < 0 else layer
                if 0 <= layer < self.n:
                    return f"blocks.{layer}.hook_{name}"
                raise MissingLayer(layer)
        raise TypeError(type(address).__name__)

    def __getitem__(self, address):
        name = self._name(address)
        if name not in self.entries:
            raise Missing(name)
        return self.entries[name]

    def __contains__(self, address):
        try:
            return self._name(address) in self.entries
        except (LookupError, TypeError):
            return False

    def __iter__(self):
        yield from self.entries

    def __len__(self):
        return sum(1 for _ in self)
