"""The exceptions of minicache, its logger, and two helpers for messages and optional packages.

There are three ways to complain, and each has its place:

- **raise** when a caller made a mistake. The class is ours and also the builtin that a Python
  programmer would try to catch. The message says what was asked, what is there, and what to do.
- **assert** what no input can break. It is a note to the reader that happens to run. Nothing
  depends on it, so everything works the same under `python -O`, which removes it.
- **log** what is harmless or global, on the logger `minicache`, never on the root logger. A
  library does not configure logging; with no configuration, Python prints warnings to stderr.

Every other module raises from here, so all exceptions fit on one page.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable
from importlib import import_module
from typing import Any

__all__ = [
    "AddressTypeError",
    "ArgumentTypeError",
    "ArgumentValueError",
    "BatchSizeError",
    "ConfigError",
    "DataError",
    "GradientError",
    "HookError",
    "LayerRangeError",
    "MinicacheError",
    "MissingActivationError",
    "MissingPackageError",
    "MissingParameterError",
    "ModelFileError",
    "ShapeError",
    "SliceError",
    "SliceRangeError",
    "TokenError",
    "UnknownActivationError",
    "UnknownWordError",
    "describe",
    "logger",
    "nearest",
    "optional",
    "shown",
]

logger = logging.getLogger("minicache")


class MinicacheError(Exception):
    """Everything that minicache raises on purpose. `str()` of it is the message as written.

    `KeyError` would show the message's `repr` instead, quotes, escapes and all.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnknownActivationError(MinicacheError, KeyError):
    """No activation or hook point has this name."""


class MissingActivationError(MinicacheError, KeyError):
    """The model has this activation, and this cache does not: a filter left it out."""


class MissingParameterError(MinicacheError, AttributeError):
    """A model of this shape has no such weights."""


class LayerRangeError(MinicacheError, IndexError):
    """The model has no such layer."""


class AddressTypeError(MinicacheError, TypeError):
    """An address is a name, or a tuple (name, layer, layer_type). This is neither."""


class ArgumentTypeError(MinicacheError, TypeError):
    """An argument has the wrong type."""


class ArgumentValueError(MinicacheError, ValueError):
    """An argument has the right type, and a value that means nothing here."""


class ShapeError(MinicacheError, ValueError):
    """A tensor's shape does not fit what it is used with."""


class SliceError(MinicacheError, ValueError):
    """This does not describe a slice."""


class SliceRangeError(MinicacheError, IndexError):
    """The slice is well formed, and reaches outside the axis that it was applied to."""


class HookError(MinicacheError, TypeError):
    """What was given as a hook, or returned by one, cannot be one."""


class GradientError(MinicacheError, RuntimeError):
    """There is no graph to run backward through, or no scalar to start from."""


class BatchSizeError(MinicacheError, ValueError):
    """The batch axis is not as the operation needs it."""


class ConfigError(MinicacheError, ValueError):
    """A model, or an analysis, cannot be set up like this."""


class DataError(MinicacheError, ValueError):
    """A data set, or what was made of it, cannot be read as asked."""


class TokenError(MinicacheError, ValueError):
    """These are not tokens that the model can read."""


class UnknownWordError(TokenError, KeyError):
    """The model's vocabulary does not have this word."""


class ModelFileError(MinicacheError, OSError):
    """A model cannot be loaded from there."""


class MissingPackageError(MinicacheError, ImportError):
    """An optional package is needed. The message holds the command that installs it."""


def nearest(asked: str, there: Iterable[str], *, most: int = 3) -> str:
    """A hint to end a message with: the known names nearest to what was asked.

    Returns:
        `" Nearest: 'a', 'b'."`, or the empty string when nothing is near.
    """
    close = difflib.get_close_matches(asked[:100], list(there), n=most, cutoff=0.5)
    return f" Nearest: {', '.join(map(repr, close))}." if close else ""


def shown(value: object) -> str:
    """`repr(value)` for a message, at most 100 characters of it. Unlike `repr`, it never raises."""
    try:
        text = repr(value)
    except Exception:  # an int of 5,000 digits has no repr, nor has what a user broke
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:99]}…"


def describe(value: object) -> str:
    """A value and its type, for a message about an argument of the wrong type."""
    return f"{shown(value)} of type {type(value).__name__}"


def optional(module: str, extra: str, package: str | None = None) -> Any:
    """A module that only an extra of minicache brings.

    Args:
        package: What it is called where it is installed from, if not as it is imported.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise MissingPackageError(
            f"{package or module} is missing: "
            f"pip install -c constraints.txt -e '.[{extra}]' brings it"
        ) from None
