"""The model: its shape, its modules, its tokenizers, and the files that it is loaded from."""

from minicache.model.config import HookedTransformerConfig
from minicache.model.transformer import HookedTransformer

__all__ = ["HookedTransformer", "HookedTransformerConfig"]
