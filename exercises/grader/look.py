"""What is seen of an answer: plain data, so that it can leave the process that it was seen in.

A check calls `see(label, thunk)`. The label is the call as a learner would write it. What the thunk
gives, or raises, becomes an observation: JSON. Two observations are compared here too, from coarse
to fine: kind, shape, values, and what the call changed that it should have left.
"""

from __future__ import annotations

import base64
import builtins
import linecache
import math
import re
import traceback
from collections.abc import Callable
from reprlib import Repr
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    *("MissingError", "Observation", "describe", "differs", "numbers", "observe", "raised"),
    "result_differs",
]

Observation = dict[str, Any]
MOST = 4096  # numbers of one tensor; a check that shows more is a mistake in the check
TOLERANCE = 1e-4  # relative to the largest number expected
SHORT = Repr()
SHORT.maxlist, SHORT.maxstring = 8, 100  # what is longer is cut


class MissingError(AttributeError):
    """The learner's file has no such name."""


def observe(thunk: Callable[[], Any], axes: str, answer_file: str) -> Observation:
    """What calling `thunk` gives or raises, as plain data. `axes` names those of a tensor."""
    try:
        return _plain(thunk(), axes.split())
    except BaseException as error:  # SystemExit as well: it is the answer's doing
        return raised(error, answer_file)


def raised(error: BaseException, answer_file: str) -> Observation:
    """An exception: its classes, its message, and the learner's own line that it came from.

    `own` says that a statement of the learner's file raised it, so that the words are its own.
    """
    told = traceback.TracebackException.from_exception(error)  # minds a broken __str__
    lines = [(frame.lineno, frame.line) for frame in told.stack if frame.filename == answer_file]
    innermost = told.stack[-1].filename if told.stack else ""
    if isinstance(error, SyntaxError):
        lines.append((error.lineno, error.text))
    number, code = lines[-1] if lines else (None, "")
    code = (code or "").strip()
    classes = [kind.__name__ for kind in type(error).__mro__]
    message = str(told).strip().partition("\n")[0][:200]
    if (module := _not_set_up(error)) is not None:
        message = (
            f"`{module.__name__}.__init__` has not called `super().__init__()`. An nn.Module needs "
            "that before anything else."
        )
        number, code = (number, code) if lines else _line_of_init(module, answer_file)
    return {
        "kind": "raised",
        "classes": classes,
        "builtin": next(name for name in classes if hasattr(builtins, name)),
        "text": message
        if isinstance(error, MissingError)
        else f"{classes[0]}: {message}".rstrip(": "),
        "own": innermost == answer_file and bool(re.search(r"\b(raise|assert)\b", code)),
        "line": number and f"{number}:  {code[:100]}",
    }


def _not_set_up(error: BaseException) -> type[nn.Module] | None:
    """The class of the nn.Module that this error is about, if nothing has set that module up.

    torch says only that one of its own attributes is missing, in a line of its own.
    """
    if isinstance(error, AttributeError):
        for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
            thing = frame.f_locals.get("self")
            if issubclass(type(thing), nn.Module) and "_modules" not in vars(thing):
                return type(thing)
    return None


def _line_of_init(module: type[nn.Module], answer_file: str) -> tuple[int | None, str]:
    """Where a class of the learner's file begins its `__init__`, and that line."""
    code = getattr(module.__init__, "__code__", None)
    if code is None or code.co_filename != answer_file:  # written by a decorator
        return None, ""
    return code.co_firstlineno, linecache.getline(answer_file, code.co_firstlineno).strip()


def _plain(value: Any, axes: list[str]) -> Observation:
    if not isinstance(value, Tensor) and getattr(value, "ndim", None) == 0:
        value = value.item()  # numpy's numbers
    match value:
        case Tensor():
            named = axes if len(axes) == value.ndim else [""] * value.ndim
            seen = {"kind": "tensor", "axes": named, "shape": list(value.shape)}
            return {**seen, **_packed(value.detach().cpu())}
        case None | bool() | int() | float() | str():
            return {"kind": "plain", "value": value}
        case list() | tuple():
            inside = [_plain(one, []) for one in value]
            if all(one["kind"] == "plain" for one in inside):
                return {"kind": "plain", "value": [one["value"] for one in inside]}
    return {"kind": "other", "value": f"an object of type {type(value).__name__}"}


def _packed(tensor: Tensor) -> dict[str, Any]:
    """The numbers: those of whole numbers as they are, others as float32 in base64."""
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    floating = tensor.is_floating_point()
    of = "float" if floating else "bool" if tensor.dtype == torch.bool else "int"
    if tensor.numel() > MOST:
        return {"of": of, "values": None}
    flat = tensor.reshape(-1)
    if floating:
        return {"of": of, "values": base64.b64encode(flat.float().numpy().tobytes()).decode()}
    return {"of": of, "values": [int(value) for value in flat.tolist()]}


def numbers(seen: Observation) -> Tensor:
    """The numbers of an observed tensor, as float64 in one row."""
    values = seen["values"]
    if isinstance(values, str):
        return (
            torch.frombuffer(bytearray(base64.b64decode(values)), dtype=torch.float32).double()
            if values
            else torch.zeros(0, dtype=torch.float64)
        )
    return torch.tensor(values, dtype=torch.float64)


def describe(seen: Observation) -> str:
    """An observation in a few words. Never a whole tensor."""
    match seen:
        case {"kind": "raised", "text": text, "line": line}:
            return text + (f"\nat your line {line}" if line else "")
        case {"kind": "tensor", "axes": axes, "shape": shape, "of": of}:
            return f"a tensor [{_named(axes, shape)}]" + f" of {of}s" * (of != "float")
        case {"kind": "plain", "value": float(value)}:
            return f"{value:.4g}"
        case {"kind": "plain", "value": value}:
            return SHORT.repr(value)
    return str(seen["value"])


def _named(axes: list[str], numbers: list[int]) -> str:
    return ", ".join(f"{axis} {n}".strip() for axis, n in zip(axes, numbers, strict=True))


def differs(came: Observation, wanted: Observation) -> str | None:
    """The first difference, coarse before fine, in a sentence or two; None if there is none."""
    if told := result_differs(came, wanted):
        return told
    if changed := came.get("changed"):
        told = ", and ".join(list(dict.fromkeys(changed))[:3])
        return f"Its result is right, but {told}. Leave what you are given as it was."
    return None


def result_differs(came: Observation, wanted: Observation) -> str | None:
    """`differs`, whatever the call changed beside its result."""
    if came["kind"] != wanted["kind"]:
        return _beside(came, wanted)
    match wanted["kind"]:
        case "raised":
            return None if wanted["builtin"] in came["classes"] else _beside(came, wanted)
        case "tensor":
            kinds = (came["shape"], came["of"]), (wanted["shape"], wanted["of"])
            if kinds[0] != kinds[1] or came["values"] is None:
                return _beside(came, wanted)
            return None if came["values"] == wanted["values"] else _values_differ(came, wanted)
        case "plain":
            one, two = came["value"], wanted["value"]
            if _close(one, two):
                return None
            if not isinstance(one, list) or not isinstance(two, list) or len(two) <= SHORT.maxlist:
                return _beside(came, wanted)
            longest = range(max(len(one), len(two)))
            place = next(i for i in longest if not _close(one[i : i + 1], two[i : i + 1]))
            rest = ({**seen, "value": seen["value"][place:]} for seen in (came, wanted))
            return f"They differ from entry {place} on:\n{_beside(*rest)}"
    return None if came["value"] == wanted["value"] else _beside(came, wanted)


def _beside(came: Observation, wanted: Observation) -> str:
    expected = (
        f"{wanted['builtin']}, or a subclass" if wanted["kind"] == "raised" else describe(wanted)
    )
    came_lines = describe(came).replace("\n", "\n           ")
    return f"came:      {came_lines}\nexpected:  {expected}"


def _values_differ(came: Observation, wanted: Observation) -> str | None:
    one, two = numbers(came), numbers(wanted)
    largest = float(two.nan_to_num(0, 0, 0).abs().amax()) if len(two) else 0.0
    least = TOLERANCE * largest + 1e-9 if wanted["of"] == "float" else 0
    wrong = ~torch.isclose(one, two, rtol=0, atol=least, equal_nan=True)
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
    if {type(one), type(two)} in ({float}, {float, int}):
        return math.isclose(one, two, rel_tol=TOLERANCE, abs_tol=1e-9) or (
            one != one and two != two
        )
    return bool(one == two)
