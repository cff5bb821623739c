"""minicache's Slice."""

from minicache import Slice


def take(tensor, dim, what):
    return Slice(what).apply(tensor, dim)
