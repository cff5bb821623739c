"""What is seen of an answer: plain data, so that it can leave the process that it was seen in.

A check calls `see(label, thunk)`. The label is the call as a learner would write it. What the thunk
gives, or raises, becomes an observation: JSON. Two observations are compared here too, from coarse
to fine: kind, shape, keys, values.
"""

from __future__ import annotations

import builtins
import math
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import torch

__all__ = ["Observation", "alike", "describe", "differs", "observe", "raised"]

Observation = dict[str, Any]
MOST = 4096  # numbers of one tensor; a check that shows more is a mistake in the check
TOLERANCE = 1e-4  # relative to the largest number expected


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
        case Mapping():
            return {"kind": "mapping", "items": {str(key): _plain(value[key], []) for key in value}}
        case list() | tuple():
            items = {str(index): _plain(one, []) for index, one in enumerate(value)}
            return {"kind": "sequence", "items": items}
        case None | bool() | int() | float() | str():
            return {"kind": "plain", "value": value}
    return {"kind": "other", "value": f"an object of type {type(value).__name__}"}


def describe(seen: Observation) -> str:
    """An observation in a few words. Never a whole tensor."""
    match seen:
        case {"kind": "raised", "text": text, "line": line}:
            return text + (f"\nat your line {line}" if line else "")
        case {"kind": "tensor", "axes": axes, "shape": shape}:
            return f"a tensor [{_named(axes, shape)}]"
        case {"kind": "mapping", "items": items}:
            return f"a mapping with {_few(list(items))}"
        case {"kind": "sequence", "items": items}:
            shown = [describe(one) for one in items.values()]
            return f"[{', '.join(shown[:8] + ['..'] * (len(shown) > 8))}]"
        case {"kind": "plain", "value": float(value)}:
            return f"{value:.4g}"
        case {"kind": "plain", "value": value}:
            return repr(value)
    return str(seen["value"])


def _named(axes: list[str], numbers: list[int]) -> str:
    return ", ".join(f"{axis} {n}".strip() for axis, n in zip(axes, numbers, strict=True))


def _few(names: list[str]) -> str:
    return ", ".join(map(repr, names[:6])) + f" and {len(names) - 6} more" * (len(names) > 6)


def alike(one: Observation, two: Observation) -> bool:
    """Whether two observations are the same behaviour: neither differs from the other."""
    return differs(one, two) is None and differs(two, one) is None


def differs(came: Observation, wanted: Observation) -> str | None:
    """The first difference, coarse before fine, in a sentence or two; None if there is none."""
    expected = describe(wanted)
    if wanted["kind"] == "raised":
        expected = f"{wanted['builtin']}, or a subclass"
    both = [text.replace("\n", "\n           ") for text in (describe(came), expected)]
    whole = f"came:      {both[0]}\nexpected:  {both[1]}"
    if came["kind"] != wanted["kind"]:
        return whole
    match wanted["kind"]:
        case "raised":
            return None if wanted["builtin"] in came["classes"] else whole
        case "tensor":
            same_shape = came["shape"] == wanted["shape"] and came["values"] is not None
            return _values_differ(came, wanted) if same_shape else whole
        case "plain":
            return None if _close(came["value"], wanted["value"]) else whole
        case "other" | "absent":
            return None
    missing = [key for key in wanted["items"] if key not in came["items"]]
    surplus = [key for key in came["items"] if key not in wanted["items"]]
    if wanted["kind"] == "mapping" and (missing or surplus):
        told = [f"It lacks {_few(missing)}."] * bool(missing)
        return " ".join(told + [f"It should not have {_few(surplus)}."] * bool(surplus))
    if missing or surplus:
        return whole
    for key, one in wanted["items"].items():
        if difference := differs(came["items"][key], one):
            listed = wanted["kind"] == "sequence" and one["kind"] == "plain"
            return whole if listed else f"At [{key}]:\n{difference}"
    return None


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
    if isinstance(one, int | float) and isinstance(two, int | float):
        return math.isclose(one, two, rel_tol=TOLERANCE, abs_tol=1e-9)
    return bool(one == two)
