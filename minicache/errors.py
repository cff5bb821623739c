"""The exceptions of minicache, its logger, and two helpers for messages and optional packages.

There are three ways to report a problem:

- **raise** when a caller made a mistake. The class is ours, and a subclass of the builtin that a
  Python programmer would catch. The message says what was asked, what is there, and what to do.
- **assert** what no input can break. An assert tells the reader what holds. Nothing depends on it,
  so everything works the same under `python -O`, which removes asserts.
- **log** what is harmless or global, on the logger `minicache`, never on the root logger. A
  library does not configure logging; with no configuration, Python prints warnings to stderr.

Every exception class of the package is defined here.
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
    """The base class of all that minicache raises on purpose. `str()` gives the message as written.

    `KeyError` would show the message's `repr` instead, quotes, escapes and all.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnknownActivationError(MinicacheError, KeyError):
    """No activation or hook point has this name."""


class MissingActivationError(MinicacheError, KeyError):
    """The model has this activation, but this cache does not: a filter left it out."""


class MissingParameterError(MinicacheError, AttributeError):
    """A model of this shape has no such weights."""


class LayerRangeError(MinicacheError, IndexError):
    """The model has no such layer."""


class AddressTypeError(MinicacheError, TypeError):
    """This is no address: neither a name nor a tuple (name, layer, layer_type)."""


class ArgumentTypeError(MinicacheError, TypeError):
    """An argument has the wrong type."""


class ArgumentValueError(MinicacheError, ValueError):
    """An argument has the right type, but a value that is not allowed."""


class ShapeError(MinicacheError, ValueError):
    """A tensor's shape does not fit the tensors that it is used with."""


class SliceError(MinicacheError, ValueError):
    """This does not describe a slice."""


class SliceRangeError(MinicacheError, IndexError):
    """The slice is well formed, but the axis that it is applied to has no such index."""


class HookError(MinicacheError, TypeError):
    """A hook is not callable, is not attached by a name, or returned neither tensor nor None."""


class GradientError(MinicacheError, RuntimeError):
    """The output has no autograd graph, or is no scalar to start the backward pass from."""


class BatchSizeError(MinicacheError, ValueError):
    """The batch axis is missing, or has another size than the operation needs."""


class ConfigError(MinicacheError, ValueError):
    """The settings of a model or an analysis do not fit together, or are not supported."""


class DataError(MinicacheError, ValueError):
    """A data set cannot be read, or the files of a harvest belong to another one."""


class TokenError(MinicacheError, ValueError):
    """The input is not text or tokens that the model can read."""


class UnknownWordError(TokenError, KeyError):
    """The model's vocabulary does not have this word."""


class ModelFileError(MinicacheError, OSError):
    """The files of a model are missing, damaged or do not fit together."""


class MissingPackageError(MinicacheError, ImportError):
    """An optional package is not installed. The message has the command that installs it."""


def nearest(asked: str, there: Iterable[str], *, most: int = 3) -> str:
    """List the known names most similar to the one that was asked for, as the end of a message.

    Returns:
        `" Nearest: 'a', 'b'."`, or the empty string when none is similar.
    """
    close = difflib.get_close_matches(asked[:100], list(there), n=most, cutoff=0.5)
    return f" Nearest: {', '.join(map(repr, close))}." if close else ""


def shown(value: object) -> str:
    """Return `repr(value)` for a message, cut to 100 characters. Unlike `repr`, it never raises."""
    try:
        text = repr(value)
    except Exception:  # repr raises for an int of 5,000 digits, and where a user's __repr__ does
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:99]}…"


def describe(value: object) -> str:
    """Return a value and its type, for a message about an argument of the wrong type."""
    return f"{shown(value)} of type {type(value).__name__}"


def optional(module: str, extra: str, package: str | None = None) -> Any:
    """Import a module of an optional package, which an extra of minicache installs.

    Args:
        package: The name to install it by, if that is not the module's.

    Raises:
        MissingPackageError: the package is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise MissingPackageError(
            f"The package {package or module} is not installed. "
            f"Install it with: pip install -c constraints.txt -e '.[{extra}]'"
        ) from None
