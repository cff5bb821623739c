"""Tell whether tensors share memory, and list their storages.

A view and its base are two tensors with one storage. Whoever counts bytes must count that once.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["storage_id", "storages"]


def storage_id(tensor: Tensor) -> int:
    """A number that two living tensors share if they share memory."""
    return int(tensor.untyped_storage()._cdata)


def storages(tensors: Iterable[Tensor]) -> dict[int, torch.UntypedStorage]:
    """The storages of these tensors by `storage_id`, each once, in the order of the tensors."""
    return {storage_id(tensor): tensor.untyped_storage() for tensor in tensors}
