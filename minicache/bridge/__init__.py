"""Any decoder of `transformers`, without adapters: follow its residual stream, and wrap it."""

from minicache.bridge.wrapped import WrappedModel, wrap

__all__ = ["WrappedModel", "wrap"]
