"""Use what you wrote in an earlier exercise: `from exercises.earlier import apply_ln`.

A task that builds on an earlier one names the import. The grader hands out your own function where
your answer to that exercise passes, and finds it where it finds the answer that it grades: in
place, in the folder of `--answers`, on a course system. Where yours is missing or not right yet,
minicache's own function stands in, so that one failure is not counted twice. Outside the grader it
is always minicache's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from minicache.analysis.frozen_norm import FrozenNorm

__all__ = ["FROM", "lend"]


def _apply_ln(parts: Any, scale: Any, weight: Any) -> Any:
    return FrozenNorm(weight=weight, bias=0 * weight, scale=scale).apply(parts)


def _hooks(model: Any, fwd_hooks: Any) -> Any:
    return model.hooks(fwd_hooks)


# By name: the exercise that asked for it, and what stands in.
FROM: dict[str, tuple[str, Callable[..., Any]]] = {
    "hooks": ("ex02_hooks_context", _hooks),
    "apply_ln": ("ex12_apply_ln", _apply_ln),
}
_lent: dict[str, str] = {}


def lend(files: Mapping[str, str]) -> None:
    """Take these functions from these files from now on (the grader's, in an answer's process)."""
    _lent.clear()
    _lent.update(files)


def __getattr__(name: str) -> Any:
    if name not in FROM:
        raise AttributeError(
            f"No earlier exercise asked for {name!r}; there are {', '.join(FROM)}."
        )
    if name not in _lent:
        return FROM[name][1]
    module = ModuleType(f"earlier_{name}")
    module.__file__ = _lent[name]
    code = compile(Path(_lent[name]).read_bytes(), _lent[name], "exec")
    exec(code, module.__dict__)
    return getattr(module, name)
