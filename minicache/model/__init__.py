"""A GPT-2-shaped transformer with hook points: configuration, modules, tokenizers and files."""

from minicache.model.config import HookedTransformerConfig
from minicache.model.transformer import HookedTransformer

__all__ = ["HookedTransformer", "HookedTransformerConfig"]
