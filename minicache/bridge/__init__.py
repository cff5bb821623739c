"""Any decoder of `transformers`, without adapters: follow its residual stream, and wrap it."""

from minicache.bridge.laws import wrap
from minicache.bridge.wrapped import WrappedModel

__all__ = ["WrappedModel", "wrap"]
