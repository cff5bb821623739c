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
from contextlib import contextmanager
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
    if isinstance(error, SyntaxError):
        frames = [(error.lineno, error.text)] if error.filename == answer_file else []
    else:
        trace = traceback.extract_tb(error.__traceback__)
        frames = [(f.lineno, f.line) for f in trace if f.filename == answer_file]
    number, line = frames[-1] if frames else (None, None)
    if number and not line:
        line = linecache.getline(answer_file, number)
    try:
        message = str(error)
    except Exception:  # its own __str__ is broken: that is no reason to lose sight of it
        message = ""
    return {
        "kind": "raised",
        "classes": [c.__name__ for c in type(error).__mro__ if c is not object],
        "builtin": next(
            c.__name__ for c in type(error).__mro__ if vars(builtins).get(c.__name__) is c
        ),
        "message": message.strip().split("\n")[0][:200],
        "line": number,
        "code": (line or "").strip()[:100],
    }


def _plain(value: Any) -> Observation:
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().reshape(-1)
        flat = flat.double() if flat.is_floating_point() else flat
        if flat.numel() > MOST:
            return {"kind": "tensor", "shape": list(value.shape), "values": None}
        return {"kind": "tensor", "shape": list(value.shape), "values": flat.tolist()}
    if isinstance(value, Mapping):
        items = {str(key): _plain(one) for key, one in value.items()}
        return {"kind": "mapping", "items": items}
    if isinstance(value, list | tuple):
        return {"kind": "sequence", "items": [_plain(one) for one in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"kind": "plain", "value": value}
    return {"kind": "other", "type": type(value).__name__}


def describe(seen: Observation, axes: str = "") -> str:
    """An observation in a few words. Never a whole tensor."""
    match seen["kind"]:
        case "raised":
            text = f"{seen['classes'][0]}: {seen['message']}".rstrip(": ")
            return text + (
                f"\nat your line {seen['line']}:  {seen['code']}" if seen["line"] else ""
            )
        case "tensor":
            names = axes.split()
            sizes = seen["shape"]
            if len(names) == len(sizes):
                sizes = [f"{name} {size}" for name, size in zip(names, sizes, strict=True)]
            return f"a tensor [{', '.join(map(str, sizes))}]"
        case "mapping":
            return f"a mapping with {_few(seen['items'])}"
        case "sequence":
            shown = [describe(one) for one in seen["items"][:8]]
            return f"[{', '.join(shown + ['..'] * (len(seen['items']) > 8))}]"
        case "plain":
            return repr(seen["value"])
        case _:
            return f"an object of type {seen['type']}"


def _few(names: Any) -> str:
    names = list(names)
    return ", ".join(map(repr, names[:6])) + (
        f" and {len(names) - 6} more" if len(names) > 6 else ""
    )


def differs(came: Observation, wanted: Observation, axes: str = "") -> str | None:
    """The first difference, coarse before fine, in a sentence or two; None if there is none."""
    if "raised" in (came["kind"], wanted["kind"]):
        if came["kind"] == wanted["kind"] and wanted["builtin"] in came["classes"]:
            return None
        aim = f"{wanted['builtin']}, or a subclass" if wanted["kind"] == "raised" else None
        return _came(describe(came, axes), aim or describe(wanted, axes))
    if came["kind"] != wanted["kind"]:
        return _came(describe(came, axes), describe(wanted, axes))
    match wanted["kind"]:
        case "tensor":
            return _tensors_differ(came, wanted, axes)
        case "mapping":
            missing = [key for key in wanted["items"] if key not in came["items"]]
            surplus = [key for key in came["items"] if key not in wanted["items"]]
            if missing or surplus:
                told = [f"It lacks {_few(missing)}."] if missing else []
                return " ".join(
                    told + ([f"It should not have {_few(surplus)}."] if surplus else [])
                )
            return _first(
                (f"[{key!r}]", came["items"][key], one) for key, one in wanted["items"].items()
            )
        case "sequence":
            if len(came["items"]) != len(wanted["items"]):
                return _came(describe(came), describe(wanted))
            if all(one["kind"] == "plain" for one in came["items"] + wanted["items"]):
                return None if came == wanted else _came(describe(came), describe(wanted))
            pairs = zip(came["items"], wanted["items"], strict=True)
            return _first((f"[{index}]", one, two) for index, (one, two) in enumerate(pairs))
        case "plain":
            same = _close([came["value"]], [wanted["value"]])
            return None if same else _came(describe(came), describe(wanted))
        case _:
            return None


def _first(parts: Any) -> str | None:
    for where, one, two in parts:
        if difference := differs(one, two):
            return f"At {where}:\n{difference}"
    return None


def _came(came: str, wanted: str) -> str:
    return f"came:      {_indented(came)}\nexpected:  {_indented(wanted)}"


def _indented(text: str) -> str:
    return text.replace("\n", "\n           ")


def _tensors_differ(came: Observation, wanted: Observation, axes: str) -> str | None:
    if came["shape"] != wanted["shape"] or came["values"] is None:
        return _came(describe(came, axes), describe(wanted, axes))
    one, two = came["values"], wanted["values"]
    scale = max((abs(value) for value in two if math.isfinite(value)), default=1.0)
    wrong = [i for i in range(len(two)) if not _close([one[i]], [two[i]], scale)]
    if not wrong:
        return None
    worst = max(wrong, key=lambda i: abs(one[i] - two[i]) if math.isfinite(one[i]) else math.inf)
    index = torch.unravel_index(torch.tensor(worst), wanted["shape"]) if wanted["shape"] else []
    place = ", ".join(
        f"{name} {int(i)}"
        for name, i in zip(axes.split() or [""] * len(index), index, strict=False)
    )
    return (
        f"The shape is right; {len(wrong)} of {len(two)} values are not."
        f"\nThe worst{f' (at {place.strip()})' if place else ''} is {one[worst]:.4g}, "
        f"and {two[worst]:.4g} was expected."
    )


def _close(came: list[Any], wanted: list[Any], scale: float | None = None) -> bool:
    for one, two in zip(came, wanted, strict=True):
        numbers = all(isinstance(value, int | float) for value in (one, two))
        if not numbers:
            if one != two or type(one) is not type(two):
                return False
        elif math.isfinite(two):
            limit = TOLERANCE * (scale if scale is not None else abs(two)) + 1e-9
            if not (math.isfinite(one) and abs(one - two) <= limit):
                return False
        elif not (one == two or (math.isnan(one) and math.isnan(two))):
            return False
    return True
