"""Notice an answer that only calls minicache's own: by what is called, not by what is written.

All of minicache may be used in an answer. One that calls the very thing that its task asks for is
right, and is told that it does: `--no-wrappers` gives it no points.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import CodeType, FrameType, FunctionType
from typing import Any

__all__ = ["OWN", "calls_of_own", "find_own"]

# By exercise: the name that the task asks for, and where minicache has it.
OWN = {
    "ex01_hook_point": ("HookPoint", "minicache.hooks.point:HookPoint"),
    "ex02_hooks_context": ("hooks", "minicache.model.transformer:HookedTransformer.hooks"),
    "ex03_run_with_cache": (
        "run_with_cache",
        "minicache.model.transformer:HookedTransformer.run_with_cache",
    ),
    "ex04_get_act_name": ("get_act_name", "minicache.names:get_act_name"),
    "ex05_getitem": ("Cache", "minicache.cache:ActivationCache"),
    "ex06_guards": ("remove_batch_dim", "minicache.cache:ActivationCache.remove_batch_dim"),
    "ex07_slices": ("Slice", "minicache.slices:Slice"),
    "ex09_saved_bytes": ("saved_bytes", "minicache.memory.saved:saved_for_backward"),
    "ex10_accumulated_resid": (
        "accumulated_resid",
        "minicache.analysis.residual:accumulated_resid",
    ),
    "ex11_decompose_resid": ("decompose_resid", "minicache.analysis.residual:decompose_resid"),
    "ex12_apply_ln": ("apply_ln", "minicache.analysis.residual:apply_ln_to_stack"),
    "ex13_logit_attrs": ("logit_attrs", "minicache.analysis.attribution:logit_attrs"),
    "ex14_head_attribution": (
        "head_logit_attrs",
        "minicache.analysis.attribution:head_logit_attrs",
    ),
    "ex19_attribution_patching": (
        "attribution_patching",
        "minicache.analysis.patching.attribution:attribution_patching",
    ),
}


def find_own(exercise: str) -> tuple[str, Any]:
    """The name that the task asks for, and minicache's own of it; ("", None) where it has none."""
    asked, place = OWN.get(exercise, ("", ""))
    if not place:
        return "", None
    module, _, path = place.partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return asked, found


@contextmanager
def calls_of_own(exercise: str, path: str) -> Iterator[set[str]]:
    """What of minicache's own code in the file at `path` calls, or gives out under another name."""
    asked, own = find_own(exercise)
    functions = vars(own).values() if isinstance(own, type) else [own]
    codes: set[CodeType] = {one.__code__ for one in functions if isinstance(one, FunctionType)}
    used: set[str] = set()

    def look(frame: FrameType, event: str, arg: Any) -> None:
        caller = frame.f_back
        if event == "call" and frame.f_code in codes and caller is not None:
            used.update([own.__qualname__] * (caller.f_code.co_filename == path))

    sys.setprofile(look if codes else None)
    try:
        yield used
    finally:
        sys.setprofile(None)
        given = vars(sys.modules.get("answer", sys)).get(asked)
        subclass = isinstance(own, type) and isinstance(given, type) and issubclass(given, own)
        if own is not None and (given is own or subclass):
            used.add(own.__qualname__)
