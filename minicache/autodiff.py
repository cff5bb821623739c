"""Turn autodiff on or off for everything that follows.

torch has scoped switches, and minicache does not wrap them again: `torch.no_grad()`,
`torch.set_grad_enabled(False)` as a context, and `torch.inference_mode()`. Prefer those.
"""

from __future__ import annotations

import torch

from minicache.errors import ArgumentTypeError, logger, shown

__all__ = ["toggle_autodiff"]


def toggle_autodiff(mode: bool = False) -> None:
    """Turn autodiff on or off in this thread, until somebody turns it back.

    Nothing scopes it, so it logs one warning that says what was and what is. Prefer
    `with torch.no_grad():`, which gives back what it found. Grad mode is per thread: other threads
    keep theirs.

    Args:
        mode: True for on, False for off.

    Raises:
        ArgumentTypeError: `mode` is not a bool.
    """
    if not isinstance(mode, bool):
        raise ArgumentTypeError(f"mode is True or False, and not {shown(mode)}.")
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(mode)
    logger.warning(
        "toggle_autodiff changed a global switch: autodiff was %s and is now %s, for all code in "
        "this thread.",
        *("on" if state else "off" for state in (before, mode)),
    )
