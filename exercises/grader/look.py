"""What is seen of an answer: plain data, so that it can leave the process that it was seen in.

A check calls `see(label, thunk)`. The label is the call as a learner would write it. What the thunk
gives, or raises, becomes an observation: JSON. Two observations are compared here too, from coarse
to fine: kind, type, shape, values.
"""

from __future__ import annotations

import builtins
import linecache
import logging
import math
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch

__all__ = ["describe", "differs", "logged", "observe", "points", "state_kept"]

Observation = dict[str, Any]
MOST = 4096  # numbers of one tensor; a check that shows more is a mistake in the check
TOLERANCE = 1e-4  # relative to the largest number expected


def points(number: int) -> Callable[[Any], Any]:
    """How many points a check gives. Without it, one."""

    def mark(check: Any) -> Any:
        check.points = number
        return check

    return mark


@contextmanager
def logged() -> Iterator[list[str]]:
    """What is logged inside, as `"LEVEL logger"`, whatever the logger. Nothing is printed."""
    seen: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(f"{record.levelname} {record.name}")

    handler, root = Keep(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield seen
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def state_kept(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two dictionaries have the same keys in the same order, and the same objects."""
    return list(before) == list(after) and all(before[key] is after[key] for key in before)


def observe(thunk: Callable[[], Any], answer_file: str) -> Observation:
    """What calling `thunk` gives or raises, as plain data."""
    try:
        return _plain(thunk())
    except BaseException as error:  # SystemExit as well: it is the answer's doing
        return raised(error, answer_file)


def raised(error: BaseException, answer_file: str) -> Observation:
    """An exception: its classes, its message, and the learner's own line that it came from."""
    frames = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        frames.append((error.filename or "", error.lineno))
    line = next((number for file, number in reversed(frames) if file == answer_file), None)
    with suppress(Exception):  # its own __str__ may be broken
        message = str(error).strip().partition("\n")[0]
    classes = [kind.__name__ for kind in type(error).__mro__]
    return {
        "kind": "raised",
        "classes": classes,
        "builtin": next(name for name in classes if hasattr(builtins, name)),
        "text": f"{classes[0]}: {locals().get('message', '')[:200]}".rstrip(": "),
        "line": line and f"{line}:  {linecache.getline(answer_file, line).strip()[:100]}",
    }


def _plain(value: Any) -> Observation:
    match value:
        case torch.Tensor():
            flat = value.detach().cpu().reshape(-1)
            flat = flat.double() if flat.is_floating_point() else flat
            values = flat.tolist() if flat.numel() <= MOST else None
            return {"kind": "tensor", "shape": list(value.shape), "values": values}
        case Mapping():
            return {"kind": "mapping", "items": {str(key): _plain(value[key]) for key in value}}
        case list() | tuple():
            return {"kind": "sequence", "items": {str(i): _plain(v) for i, v in enumerate(value)}}
        case None | bool() | int() | float() | str():
            return {"kind": "plain", "value": value}
    return {"kind": "other", "value": f"an object of type {type(value).__name__}"}


def describe(seen: Observation, axes: str = "") -> str:
    """An observation in a few words. Never a whole tensor."""
    match seen:
        case {"kind": "raised", "text": text, "line": line}:
            return text + (f"\nat your line {line}" if line else "")
        case {"kind": "tensor", "shape": shape}:
            names = axes.split() if len(axes.split()) == len(shape) else [""] * len(shape)
            pairs = zip(names, shape, strict=True)
            return f"a tensor [{', '.join(f'{name} {size}'.strip() for name, size in pairs)}]"
        case {"kind": "mapping", "items": items}:
            return f"a mapping with {_few(list(items))}"
        case {"kind": "sequence", "items": items}:
            shown = [describe(one) for one in items.values()]
            return f"[{', '.join(shown[:8] + ['..'] * (len(shown) > 8))}]"
        case {"kind": "plain", "value": value}:
            return repr(value)
    return str(seen["value"])


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(map(repr, names[:6])) + more


def differs(came: Observation, wanted: Observation, axes: str = "") -> str | None:
    """The first difference, coarse before fine, in a sentence or two; None if there is none."""
    expected = describe(wanted, axes)
    if wanted["kind"] == "raised":
        expected = f"{wanted['builtin']}, or a subclass"
    both = [text.replace("\n", "\n           ") for text in (describe(came, axes), expected)]
    whole = f"came:      {both[0]}\nexpected:  {both[1]}"
    if came["kind"] != wanted["kind"]:
        return whole
    match wanted["kind"]:
        case "raised":
            return None if wanted["builtin"] in came["classes"] else whole
        case "tensor":
            same_shape = came["shape"] == wanted["shape"] and came["values"] is not None
            return _values_differ(came, wanted, axes) if same_shape else whole
        case "plain":
            return None if _close(came["value"], wanted["value"]) else whole
        case "other":
            return None
    missing = [key for key in wanted["items"] if key not in came["items"]]
    surplus = [key for key in came["items"] if key not in wanted["items"]]
    if wanted["kind"] == "mapping" and (missing or surplus):
        told = [f"It lacks {_few(missing)}."] * bool(missing)
        return " ".join(told + [f"It should not have {_few(surplus)}."] * bool(surplus))
    for key, one in wanted["items"].items():
        if key in missing or (difference := differs(came["items"][key], one)):
            flat = all(part["kind"] == "plain" for part in wanted["items"].values())
            return whole if flat or key in missing else f"At [{key}]:\n{difference}"
    return whole if surplus else None


def _values_differ(came: Observation, wanted: Observation, axes: str) -> str | None:
    one, two = (torch.tensor(seen["values"], dtype=torch.float64) for seen in (came, wanted))
    scale = float(two[two.isfinite()].abs().max()) if two.isfinite().any() else 1.0
    limit = TOLERANCE * scale + 1e-9
    wrong = ~torch.isclose(one, two, rtol=0, atol=limit, equal_nan=True)
    if not wrong.any():
        return None
    worst = (one - two).abs().nan_to_num(torch.inf).where(wrong, -1).argmax()
    index = torch.unravel_index(worst, wanted["shape"]) if wanted["shape"] else ()
    names = axes.split() or [""] * len(index)
    place = ", ".join(f"{name} {int(i)}".strip() for name, i in zip(names, index, strict=False))
    return (
        f"The shape is right; {int(wrong.sum())} of {len(two)} values are not.\nThe worst"
        f"{f' (at {place})' * bool(place)} is {one[worst]:.4g}, and {two[worst]:.4g} was expected."
    )


def _close(one: Any, two: Any) -> bool:
    if isinstance(one, int | float) and isinstance(two, int | float):
        return math.isclose(one, two, rel_tol=TOLERANCE, abs_tol=1e-9)
    return bool(one == two)
