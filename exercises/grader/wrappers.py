"""Notice an answer that only calls minicache's own: by what is called, not by what is written.

All of minicache may be used in an answer, but not its own of what the task asks for. `OWN` says
what that is, the task says it in a sentence (`rule`), and an answer that uses it is told. It has
its points nevertheless, unless an instructor grades with `--no-wrappers`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial, wraps
from importlib import import_module
from types import FunctionType
from typing import Any

from exercises.earlier import FROM

__all__ = ["OWN", "calls_of_own", "find_own", "find_places", "rule"]

Place = tuple[Any, str, Any]  # a module or class, a name in it, and what it holds there

# By exercise: the name that the task asks for, then where minicache has that, as a whole or nearly.
OWN: dict[str, tuple[str, ...]] = {
    "ex01_hook_point": ("HookPoint", "minicache.hooks.point:HookPoint"),
    "ex02_hooks_context": ("hooks", "minicache.hooks.root:HookedRootModule.hooks"),
    "ex03_run_with_cache": (
        "run_with_cache",
        "minicache.hooks.root:HookedRootModule.run_with_cache",
        "minicache.model.transformer:HookedTransformer.run_with_cache",
        "minicache.hooks.root:HookedRootModule.get_caching_hooks",
    ),
    "ex04_get_act_name": ("get_act_name", "minicache.names:get_act_name"),
    "ex05_getitem": ("Cache", "minicache.cache:ActivationCache"),
    "ex06_guards": ("remove_batch_dim", "minicache.cache:ActivationCache.remove_batch_dim"),
    "ex07_slices": ("take", "minicache.slices:Slice"),
    "ex09_saved_bytes": ("saved_bytes", "minicache.memory.saved:saved_for_backward"),
    "ex10_accumulated_resid": (
        "accumulated_resid",
        "minicache.analysis.residual:accumulated_resid",
    ),
    "ex11_decompose_resid": ("decompose_resid", "minicache.analysis.residual:decompose_resid"),
    "ex12_apply_ln": (
        "apply_ln",
        "minicache.analysis.residual:apply_ln_to_stack",
        "minicache.analysis.frozen_norm:FrozenNorm",
    ),
    "ex13_logit_attrs": (
        "logit_attrs",
        "minicache.analysis.attribution:logit_attrs",
        "minicache.analysis.attribution:logit_constant",
    ),
    "ex14_head_attribution": (
        "head_attribution",
        "minicache.analysis.attribution:head_logit_attrs",
    ),
    "ex16_induction": ("induction_scores", "minicache.analysis.heads:induction_score"),
    "ex17_mean_ablation": ("ablate_heads", "minicache.analysis.patching.ablation:ablate"),
    "ex18_activation_patching": (
        "patch_resid_pre",
        "minicache.analysis.patching.sweeps:generic_activation_patch",
    ),
    "ex19_attribution_patching": (
        "attribution_patching",
        "minicache.analysis.patching.attribution:attribution_patching",
    ),
    "ex20_keys_or_queries": (
        "patch_input",
        "minicache.analysis.patching.sweeps:generic_activation_patch",
    ),
}


def rule(exercise: str) -> str:
    """The last sentence of a task: what of minicache an answer may use."""
    _, *places = OWN.get(exercise, ("",))
    names = [f"`{name}`" for name in dict.fromkeys(map(_name, places))]
    but = f", but not its own {' or '.join(names)}" if names else ""
    return f"You may use all of minicache{but}."


def find_own(exercise: str) -> list[tuple[str, Any]]:
    """What minicache has of what the task asks for, with its name; also what stands in for it."""
    _, *places = OWN.get(exercise, ("",))
    stand_ins = [(name, own) for name, (asked_by, own) in FROM.items() if asked_by == exercise]
    return [(_name(place), _at(place)) for place in places] + stand_ins


def _name(place: str) -> str:
    return place.replace(":", ".").rpartition(".")[2]


def _at(place: str) -> Any:
    module, _, path = place.partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


@contextmanager
def calls_of_own(exercise: str, path: str) -> Iterator[set[str]]:
    """What of minicache's own code in the file at `path` calls, or gives out under another name.

    Everything in minicache that holds a function of these holds one that looks at its caller, for
    as long as this lasts. (A profile function would see all calls, and slow down every one.)
    """
    used: set[str] = set()
    with ExitStack() as stack:
        for name, own, places in find_places(exercise):
            stack.enter_context(_replaced(own, _watched(own, name, path, used), places))
        yield used
    given = vars(sys.modules.get("answer", sys)).get(OWN.get(exercise, ("",))[0])
    given = getattr(given, "__watched__", given)
    used.update(name for name, own in find_own(exercise) if given is own or _inherits(given, own))


def _watched(own: FunctionType, name: str, path: str, used: set[str]) -> Callable[..., Any]:
    @wraps(own)
    def call(*args: Any, **kwargs: Any) -> Any:
        if sys._getframe(1).f_code.co_filename == path:
            used.add(name)
        return own(*args, **kwargs)

    vars(call)["__watched__"] = own
    return call


@cache
def find_places(exercise: str) -> list[tuple[str, FunctionType, list[Place]]]:
    """The functions of `find_own`, each with its name and with what of minicache holds it.

    It takes a while, once in a process. A process that is forked from it has the result.
    """
    owns = find_own(exercise)
    modules = [one for name, one in sys.modules.items() if f"{name}.".startswith("minicache.")]
    classes = {c for m in modules for c in vars(m).values() if isinstance(c, type)}
    ours = [*modules, *(c for c in classes if f"{c.__module__}.".startswith("minicache."))]
    held = [(one, key, value) for one in ours for key, value in vars(one).items()]
    functions = [
        (name, one)
        for name, own in owns
        for one in (vars(own).values() if isinstance(own, type) else [own])
        if isinstance(one, FunctionType)
    ]
    return [
        (name, one, [place for place in held if _function(place[2]) is one])
        for name, one in functions
    ]


def _function(held: Any) -> Any:
    return held.func if isinstance(held, partial) else held


@contextmanager
def _replaced(own: FunctionType, by: Callable[..., Any], places: list[Place]) -> Iterator[None]:
    """Put `by` in the place of `own`, where minicache holds it, and in `FROM`."""
    lent = {name: entry for name, entry in FROM.items() if entry[1] is own}
    for one, key, value in places:
        whole = value is own
        setattr(one, key, by if whole else partial(by, *value.args, **value.keywords))
    FROM.update({name: (asked_by, by) for name, (asked_by, _) in lent.items()})
    try:
        yield
    finally:
        for one, key, value in places:
            setattr(one, key, value)
        FROM.update(lent)


def _inherits(given: Any, own: Any) -> bool:
    return isinstance(own, type) and isinstance(given, type) and issubclass(given, own)
