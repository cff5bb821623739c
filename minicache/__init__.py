"""minicache: hook points, the activation cache and residual-stream analysis, small and complete.

>>> import minicache
>>> model = minicache.HookedTransformer.from_pretrained()
>>> logits, cache = model.run_with_cache("The capital of France is")
>>> cache["pattern", -1].shape
torch.Size([1, 2, 6, 6])

Modules, in reading order: guards, names, slices, hook_point, hooks, residual, components,
attribution, autodiff, cache, hub, pretrained, layers, live, memory, processing, model, plots, and
the apps that `python -m minicache` runs.
"""

from minicache import (
    attribution,
    autodiff,
    cache,
    components,
    guards,
    hooks,
    hub,
    layers,
    live,
    memory,
    model,
    names,
    pretrained,
    processing,
    residual,
    slices,
)
from minicache.autodiff import toggle_autodiff
from minicache.cache import ActivationCache
from minicache.guards import MinicacheError
from minicache.hooks import HookedRootModule, HookPoint
from minicache.live import compare_modes
from minicache.memory import predict_saved_bytes, saved_for_backward
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
    "attribution",
    "autodiff",
    "cache",
    "compare_modes",
    "components",
    "get_act_name",
    "guards",
    "hooks",
    "hub",
    "layers",
    "live",
    "memory",
    "model",
    "names",
    "predict_saved_bytes",
    "pretrained",
    "processing",
    "residual",
    "saved_for_backward",
    "slices",
    "toggle_autodiff",
]
