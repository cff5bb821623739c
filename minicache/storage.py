"""Tell whether tensors share memory, list their storages, and check where they can be kept.

A view and its base are two tensors with one storage. Whoever counts bytes must count that once.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from minicache.errors import ArgumentTypeError, ArgumentValueError

__all__ = ["storage_id", "storages", "usable_device"]


def storage_id(tensor: Tensor) -> int:
    """A number that two living tensors share if they share memory."""
    return int(tensor.untyped_storage()._cdata)


def storages(tensors: Iterable[Tensor]) -> dict[int, torch.UntypedStorage]:
    """The storages of these tensors by `storage_id`, each once, in the order of the tensors."""
    return {storage_id(tensor): tensor.untyped_storage() for tensor in tensors}


def usable_device(given: torch.device | str | int) -> torch.device:
    """The device, if this machine has it and it keeps values: the meta device keeps shapes only.

    Raises:
        ArgumentTypeError: that is no device.
        ArgumentValueError: values cannot be kept there.
    """
    try:
        device = torch.device(given)
    except (TypeError, RuntimeError):
        raise ArgumentTypeError(
            f"{given!r:.80} is no device. Give 'cpu', 'cuda' or a torch.device."
        ) from None
    if device.type == "meta":
        raise ArgumentValueError("The meta device keeps shapes, and no values. Give another.")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).partition(". ")[0].splitlines()[0]
        raise ArgumentValueError(
            f"{str(device)!r} is not to be had here ({reason:.200}). Give 'cpu'."
        ) from None
    return device
