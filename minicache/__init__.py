"""minicache: hook points, the activation cache and residual-stream analysis, small and complete.

>>> import minicache
>>> model = minicache.HookedTransformer.from_pretrained()
>>> logits, cache = model.run_with_cache("The capital of France is")
>>> cache["pattern", -1].shape
torch.Size([1, 2, 6, 6])

The folders say what belongs together, and `pyproject.toml` (import-linter's layers) in which order
to read them: an import points only upwards.
"""

from minicache import (
    analysis,
    autodiff,
    cache,
    errors,
    harvest,
    hooks,
    memory,
    model,
    names,
    slices,
)
from minicache.autodiff import toggle_autodiff
from minicache.cache import ActivationCache
from minicache.errors import MinicacheError
from minicache.hooks import HookedRootModule, HookPoint
from minicache.memory import compare_modes, predict_saved_bytes, saved_for_backward
from minicache.model import HookedTransformer, HookedTransformerConfig
from minicache.names import get_act_name
from minicache.slices import Slice

__all__ = [
    "ActivationCache",
    "HookPoint",
    "HookedRootModule",
    "HookedTransformer",
    "HookedTransformerConfig",
    "MinicacheError",
    "Slice",
    "analysis",
    "autodiff",
    "cache",
    "compare_modes",
    "errors",
    "get_act_name",
    "harvest",
    "hooks",
    "memory",
    "model",
    "names",
    "predict_saved_bytes",
    "saved_for_backward",
    "slices",
    "toggle_autodiff",
]
