"""The arithmetic of a cache: the residual stream taken apart, and carried on to the logits."""

from minicache.analysis import patching

__all__ = ["patching"]
