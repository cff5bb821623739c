"""Command-line options that several commands share, and their checks."""

from __future__ import annotations

import torch

from minicache.errors import ConfigError

__all__ = ["device_named"]


def device_named(name: str) -> torch.device:
    """The device of this name, if it is to be had here.

    Raises:
        ConfigError: it is not.
    """
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"--device {name}: not to be had here ({reason}). Try --device cpu."
        ) from None
    return device
