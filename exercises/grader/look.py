"""What is seen of an answer: plain data, so that it can leave the process that it was seen in.

A check calls `see(label, thunk)`. The label is the call as a learner would write it. What the thunk
gives, or raises, becomes an observation: JSON. Two observations are compared here too, from coarse
to fine: kind, shape, values.
"""

from __future__ import annotations

import builtins
import math
import traceback
from collections.abc import Callable
from reprlib import Repr
from typing import Any

import torch

__all__ = ["Observation", "alike", "describe", "differs", "observe", "raised"]

Observation = dict[str, Any]
MOST = 4096  # numbers of one tensor; a check that shows more is a mistake in the check
TOLERANCE = 1e-4  # relative to the largest number expected
SHORT = Repr()
SHORT.maxlist, SHORT.maxstring = 8, 100  # what is longer is cut


def observe(thunk: Callable[[], Any], axes: str, answer_file: str) -> Observation:
    """What calling `thunk` gives or raises, as plain data. `axes` names those of a tensor."""
    try:
        return _plain(thunk(), axes.split())
    except BaseException as error:  # SystemExit as well: it is the answer's doing
        return raised(error, answer_file)


def raised(error: BaseException, answer_file: str) -> Observation:
    """An exception: its classes, its message, and the learner's own line that it came from."""
    told = traceback.TracebackException.from_exception(error)  # minds a broken __str__
    lines = [(frame.lineno, frame.line) for frame in told.stack if frame.filename == answer_file]
    if isinstance(error, SyntaxError):
        lines.append((error.lineno, error.text))
    number, code = lines[-1] if lines else (None, "")
    classes = [kind.__name__ for kind in type(error).__mro__]
    message = str(told).strip().partition("\n")[0][:200]
    return {
        "kind": "raised",
        "classes": classes,
        "builtin": next(name for name in classes if hasattr(builtins, name)),
        "text": f"{classes[0]}: {message}".rstrip(": "),
        "line": number and f"{number}:  {(code or '').strip()[:100]}",
    }


def _plain(value: Any, axes: list[str]) -> Observation:
    match value:
        case torch.Tensor():
            flat = value.detach().cpu().reshape(-1)
            flat = flat.double() if flat.is_floating_point() else flat
            values = [float(f"{v:.7g}") for v in flat.tolist()] if len(flat) <= MOST else None
            named = axes if len(axes) == value.ndim else [""] * value.ndim
            return {"kind": "tensor", "axes": named, "shape": list(value.shape), "values": values}
        case None | bool() | int() | float() | str():
            return {"kind": "plain", "value": value}
        case list() | tuple():
            inside = [_plain(one, []) for one in value]
            if all(one["kind"] == "plain" for one in inside):
                return {"kind": "plain", "value": [one["value"] for one in inside]}
    return {"kind": "other", "value": f"an object of type {type(value).__name__}"}


def describe(seen: Observation) -> str:
    """An observation in a few words. Never a whole tensor."""
    match seen:
        case {"kind": "raised", "text": text, "line": line}:
            return text + (f"\nat your line {line}" if line else "")
        case {"kind": "tensor", "axes": axes, "shape": shape}:
            return f"a tensor [{_named(axes, shape)}]"
        case {"kind": "plain", "value": float(value)}:
            return f"{value:.4g}"
        case {"kind": "plain", "value": value}:
            return SHORT.repr(value)
    return str(seen["value"])


def _named(axes: list[str], numbers: list[int]) -> str:
    return ", ".join(f"{axis} {n}".strip() for axis, n in zip(axes, numbers, strict=True))


def alike(one: Observation, two: Observation) -> bool:
    """Whether two observations are the same behaviour: neither differs from the other."""
    return differs(one, two) is None and differs(two, one) is None


def differs(came: Observation, wanted: Observation) -> str | None:
    """The first difference, coarse before fine, in a sentence or two; None if there is none."""
    whole = _beside(came, wanted)
    if came["kind"] != wanted["kind"]:
        return whole
    match wanted["kind"]:
        case "raised":
            return None if wanted["builtin"] in came["classes"] else whole
        case "tensor":
            same_shape = came["shape"] == wanted["shape"] and came["values"] is not None
            return _values_differ(came, wanted) if same_shape else whole
        case "plain":
            one, two = came["value"], wanted["value"]
            if _close(one, two):
                return None
            if not isinstance(one, list) or not isinstance(two, list) or len(two) <= SHORT.maxlist:
                return whole
            longest = range(max(len(one), len(two)))
            place = next(i for i in longest if not _close(one[i : i + 1], two[i : i + 1]))
            rest = ({**seen, "value": seen["value"][place:]} for seen in (came, wanted))
            return f"They differ from entry {place} on:\n{_beside(*rest)}"
    return None


def _beside(came: Observation, wanted: Observation) -> str:
    raised = wanted["kind"] == "raised"
    expected = f"{wanted['builtin']}, or a subclass" if raised else describe(wanted)
    came_lines = describe(came).replace("\n", "\n           ")
    return f"came:      {came_lines}\nexpected:  {expected}"


def _values_differ(came: Observation, wanted: Observation) -> str | None:
    one, two = (torch.tensor(seen["values"], dtype=torch.float64) for seen in (came, wanted))
    largest = float(two.nan_to_num(0, 0, 0).abs().amax()) if len(two) else 0.0
    wrong = ~torch.isclose(one, two, rtol=0, atol=TOLERANCE * largest + 1e-9, equal_nan=True)
    if not wrong.any():
        return None
    worst = (one - two).abs().nan_to_num(torch.inf).where(wrong, -1).argmax()
    index = [int(i) for i in torch.unravel_index(worst, wanted["shape"])] if wanted["shape"] else []
    named = "" if any(wanted["axes"]) else "index "
    place = f" (at {named}{_named(wanted['axes'], index)})" if index else ""
    return (
        f"The shape is right; {int(wrong.sum())} of {len(two)} values are not.\n"
        f"The worst{place} is {one[worst]:.4g}, and {two[worst]:.4g} was expected."
    )


def _close(one: Any, two: Any) -> bool:
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_close, one, two))
    if isinstance(one, int | float) and isinstance(two, int | float):
        return math.isclose(one, two, rel_tol=TOLERANCE, abs_tol=1e-9)
    return bool(one == two)
