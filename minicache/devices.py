"""Check that there is a device, and that it keeps values."""

from __future__ import annotations

import torch

from minicache.errors import ArgumentTypeError, ArgumentValueError, describe, shown

__all__ = ["usable_device"]


def usable_device(given: torch.device | str | int) -> torch.device:
    """Return the device, if this machine has it and it keeps values: `meta` has shapes only.

    Raises:
        ArgumentTypeError: that is not a device, its name or its number.
        ArgumentValueError: this machine has no such device, or it keeps no values.
    """
    if isinstance(given, bool) or not isinstance(given, torch.device | str | int):
        raise ArgumentTypeError(
            f"{describe(given)} is no device. Give 'cpu', 'cuda' or a torch.device."
        )
    try:
        device = torch.empty(0, device=given).device
    except (RuntimeError, ValueError, AssertionError, ImportError) as error:  # torch has them all
        reason = str(error).partition(". ")[0].splitlines()[0]
        raise ArgumentValueError(
            f"There is no device {shown(given)} here ({reason:.200}). Give 'cpu'."
        ) from None
    if device.type == "meta":
        raise ArgumentValueError(f"{shown(given)} keeps shapes, and no values. Give 'cpu'.")
    return device
