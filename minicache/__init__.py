"""minicache: hook points, the activation cache and residual-stream analysis, small and complete.

>>> import minicache
>>> model = minicache.HookedTransformer.from_pretrained()
>>> logits, cache = model.run_with_cache("The capital of France is")
>>> cache["pattern", -1].shape
torch.Size([1, 2, 6, 6])

The folders say what belongs together, and `pyproject.toml` (import-linter's layers) in which order
to read them: an import points only upwards. A name is imported when it is first used, so that
`python -m minicache --help` need not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # pragma: no cover  # for type checkers and editors; _HOME says the same
    from minicache import (
        analysis,
        autodiff,
        bridge,
        cache,
        errors,
        harvest,
        hooks,
        memory,
        model,
        names,
        slices,
    )
    from minicache.analysis import patching
    from minicache.autodiff import toggle_autodiff
    from minicache.bridge import wrap
    from minicache.cache import ActivationCache
    from minicache.errors import MinicacheError
    from minicache.hooks import HookedRootModule, HookPoint
    from minicache.memory import compare_modes, predict_saved_bytes, saved_for_backward
    from minicache.model import HookedTransformer, HookedTransformerConfig
    from minicache.names import get_act_name
    from minicache.slices import Slice

_HOME = {
    "ActivationCache": "cache",
    "HookPoint": "hooks",
    "HookedRootModule": "hooks",
    "HookedTransformer": "model",
    "HookedTransformerConfig": "model",
    "MinicacheError": "errors",
    "Slice": "slices",
    "compare_modes": "memory",
    "get_act_name": "names",
    "patching": "analysis",
    "predict_saved_bytes": "memory",
    "saved_for_backward": "memory",
    "toggle_autodiff": "autodiff",
    "wrap": "bridge",
}
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
    "bridge",
    "cache",
    "compare_modes",
    "errors",
    "get_act_name",
    "harvest",
    "hooks",
    "memory",
    "model",
    "names",
    "patching",
    "predict_saved_bytes",
    "saved_for_backward",
    "slices",
    "toggle_autodiff",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"minicache.{_HOME[name]}"), name)
    if name in __all__:
        return import_module(f"minicache.{name}")
    raise AttributeError(f"module 'minicache' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
