"""A dict that resolves."""


class Cache(dict):
    def __init__(self, cache_dict, n_layers):
        super().__init__(cache_dict)
        self.n_layers = n_layers

    def __getitem__(self, address):
        if isinstance(address, str):
            return super().__getitem__(address)
        if not isinstance(address, tuple) or list(map(type, address)) != [str, int]:
            raise TypeError(address)
        name, layer = address
        if layer >= self.n_layers or layer < -self.n_layers:
            raise IndexError(layer)
        return super().__getitem__(f"blocks.{(layer + self.n_layers) % self.n_layers}.hook_{name}")

    def __contains__(self, address):
        try:
            return self[address] is not None
        except (KeyError, IndexError, TypeError):
            return False
