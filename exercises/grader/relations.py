"""How what came is related to what is asked for, where that says what went wrong.

A misconception that nobody listed can still be seen in the numbers: the right ones in another
order, the sum where the mean is asked for, every item with the result of the first. Each sentence
here is a fact about the two. It is computed, and not looked up in a list of known answers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import permutations
from typing import Any

import torch
from torch import Tensor

from exercises.grader.look import TOLERANCE, Observation, numbers, result_differs

__all__ = ["relation"]

MOST_AXES = 5
SHORT = 8  # entries that are listed
IN_PLACE = "`+=`, writing to an index and methods that end in `_` change the tensor that was given."


def relation(came: Observation, wanted: Observation, beside: Iterable[Observation] = ()) -> str:
    """What the one is of the other, in a sentence or two. Empty if it is nothing that is known.

    `beside` is what is asked for elsewhere in the same check.
    """
    changed = came.get("changed", [])
    if not result_differs(came, wanted):
        found = ""
    elif came["kind"] == wanted["kind"] == "tensor":
        found = _of_tensors(came, wanted)
    elif wanted["kind"] == "plain":
        answers = [each["value"] for each in beside if each["kind"] == "plain"]
        found = _of_plain(came, wanted["value"], None in answers)
    elif wanted["kind"] == "raised":
        found = _of_exceptions(came, wanted["builtin"])
    else:
        found = ""
    if not found and any("in place" in one for one in changed):
        return f"{IN_PLACE} Make a new tensor."
    return found


def _of_tensors(came: Observation, wanted: Observation) -> str:
    if came["values"] is None or wanted["values"] is None:
        return ""
    one, two = numbers(came).reshape(came["shape"]), numbers(wanted).reshape(wanted["shape"])
    if two.unique().numel() < 2 or not two.isfinite().all():  # nothing can be told by such
        return ""
    if one.isnan().any():
        return (
            "There are NaNs: somewhere 0 is divided by 0, or infinity is taken from itself or "
            "multiplied by 0."
        )
    names = [f"`{name}`" if name else f"axis {i}" for i, name in enumerate(wanted["axes"])]
    if not names:
        return ""
    look = _same_shape if one.shape == two.shape else _other_shape
    return next(look(one, two, names), "")


def _close(one: Tensor, two: Tensor) -> bool:
    """Whether they are equal but for rounding, as the checks mean it, and more than zeros."""
    if one.shape != two.shape or not two.numel():
        return False
    largest = float(two.abs().max())
    return largest > 0 and torch.allclose(one, two, rtol=0, atol=TOLERANCE * largest + 1e-9)


def _other_shape(one: Tensor, two: Tensor, names: list[str]) -> Iterator[str]:
    """What is known of numbers in another shape."""
    if one.numel() == two.numel():
        if _close(one.squeeze(), two.squeeze()):
            if one.ndim < two.ndim:
                yield (
                    "The numbers are right, and an axis of size 1 is gone. `squeeze()` takes off "
                    "every such axis, and a mean or an index its own."
                )
            yield "The numbers are right, and there is an axis of size 1 in another place."
        yield from _other_order_of_axes(one, two, names)
        if _close(one.reshape(two.shape), two):
            if one.ndim < two.ndim:
                yield (
                    "The numbers are right, and two axes have become one. `torch.cat` joins along "
                    "an axis that is there; `torch.stack` makes a new one."
                )
            yield "The numbers are right and in the right order, in another shape."
    for axis, name in enumerate(names):
        rest = two.shape[:axis] + two.shape[axis + 1 :]
        if one.shape == rest:
            yield from _reduced(one, two, axis, name)
        elif one.ndim == two.ndim and one.shape[:axis] + one.shape[axis + 1 :] == rest:
            yield from _longer_or_shorter(one, two, axis, name)


def _reduced(one: Tensor, two: Tensor, axis: int, name: str) -> Iterator[str]:
    ways: dict[str, Callable[[], Tensor]] = {
        f"the sum over {name}": lambda: two.sum(axis),
        f"the mean over {name}": lambda: two.mean(axis),
        f"the largest along {name}": lambda: two.amax(axis),
        f"the first along {name}": lambda: two.select(axis, 0),
        f"the last along {name}": lambda: two.select(axis, -1),
    }
    for words, make in ways.items():
        if _close(one, make()):
            yield f"What came is {words} of what is asked for."


def _longer_or_shorter(one: Tensor, two: Tensor, axis: int, name: str) -> Iterator[str]:
    a, b = one.shape[axis], two.shape[axis]
    short, long = (one, two) if a < b else (two, one)
    for start in range(abs(a - b) + 1):
        if _close(short, long.narrow(axis, start, min(a, b))):
            last = start + min(a, b) - 1
            there = f"entry {start}" if start == last else f"entries {start} to {last}"
            if a < b:
                yield (
                    f"What came is right, and a part of it: along {name} only {there}, where 0 to "
                    f"{b - 1} are asked for."
                )
            yield (
                f"There is too much: along {name} what is asked for is {there} of what came, "
                f"and there are {a - b} more."
            )


def _same_shape(one: Tensor, two: Tensor, names: list[str]) -> Iterator[str]:
    """What is known of other numbers in the right shape."""
    if _close(one, -two):
        yield "Every number has the other sign."
    fit = float((one * two).sum() / (two * two).sum())
    if abs(fit) > 1e-3 and _close(one / fit, two):
        parts = round(1 / fit)
        by = f" (1 / {parts})" if parts > 1 and abs(fit * parts - 1) < 1e-3 else ""
        yield f"Every number is {fit:.4g}{by} times what is asked for."
    yield from _other_order_of_axes(one, two, names)
    if two.numel() < 3:  # two numbers are soon alike
        return
    for axis, name in enumerate(names):
        if two.shape[axis] > 1:
            yield from _along(one.movedim(axis, 0), two.movedim(axis, 0), name)


def _along(one: Tensor, two: Tensor, name: str) -> Iterator[str]:
    """What is known of entries along the first axis."""
    n = len(two)
    rows = [[j for j in range(n) if _close(one[i], two[j])] for i in range(n)]
    first = [at[0] if at else -1 for at in rows]
    if all(at == [0] for at in rows):
        yield f"Along {name} every entry is what is asked for at the first."
    if all(at == [n - 1] for at in rows):
        yield (
            f"Along {name} every entry is what is asked for at the last: a name that a loop "
            "changes is read when the loop is over, or one result is written over the others."
        )
    if sorted(first) == list(range(n)):
        if first == list(range(n))[::-1]:
            yield f"Along {name} the right entries come in reverse."
        order = ", ".join(map(str, first[:SHORT])) + ", .." * (n > SHORT)
        yield f"Along {name} the right entries come in another order: {order}."
    if n > 2 and first[1:] == list(range(n - 1)):
        yield f"Along {name} everything comes one place too late."
    if n > 2 and first[:-1] == list(range(1, n)):
        yield f"Along {name} everything comes one place too early."
    if _close(one, two.cumsum(0)):
        yield f"What came are running sums along {name}: each entry holds all before it as well."
    if _close(one.cumsum(0), two):
        yield f"What came is what each entry adds to the one before, along {name}."


def _other_order_of_axes(one: Tensor, two: Tensor, names: list[str]) -> Iterator[str]:
    if one.ndim != two.ndim or one.ndim > MOST_AXES:
        return
    for order in permutations(range(two.ndim)):
        if list(order) != sorted(order) and _close(one, two.permute(order)):
            axes = ", ".join(names[i] for i in order)
            yield f"The numbers are right, and the axes are in another order: [{axes}]."


def _of_plain(came: Observation, wanted: Any, none_is_an_answer: bool) -> str:
    if came["kind"] == "tensor" and came["shape"] == [] and isinstance(wanted, int | float):
        if came["values"] is not None and abs(float(numbers(came)[0]) - wanted) < 1e-4:
            return "A tensor with one number came, and a Python number is asked for: `.item()`."
        return ""
    if came["kind"] != "plain":
        return ""
    value = came["value"]
    if value is None:
        told = "None came. It is what a function gives that ends without `return`."
        return "" if none_is_an_answer else told
    match value, wanted:
        case list(), list():
            return next(_of_lists(value, wanted), "")
        case bool() | str(), _:
            return ""
        case int() | float(), bool():
            return ""
        case int() | float(), int() | float() if wanted and value:
            return _of_two_numbers(value, wanted)
    return ""


def _of_exceptions(came: Observation, wanted: str) -> str:
    if came["kind"] != "raised":
        return (
            f"Nothing was raised: it was answered as though it fitted. Raise {wanted}, or let it "
            "go on where something that you call raises it."
        )
    if came["builtin"] == "AssertionError":
        return (
            f"An `assert` refuses it. That is an AssertionError, and under `python -O` it is gone. "
            f"Raise {wanted}."
        )
    if came["own"]:
        return f"It is refused, with another class of exception: raise {wanted}, or a subclass."
    return (
        f"It was not refused: something further on failed with {came['classes'][0]}. Look at what "
        f"was given first, and raise {wanted}."
    )


def _of_two_numbers(value: float, wanted: float) -> str:
    """A few ways to be off by a factor that has a name."""
    known = {100: "in percent", -1: "with the other sign"}
    for factor, words in known.items():
        if abs(value / wanted - factor) < 1e-3 * abs(factor):
            return f"That is {factor} times what is asked for: {words}."
    return ""


def _of_lists(came: list[Any], wanted: list[Any]) -> Iterator[str]:
    one, two = Counter(map(repr, came)), Counter(map(repr, wanted))
    if one == two and len(two) > 1:
        if came == wanted[::-1]:
            yield "The right entries came in reverse."
        yield "The right entries came in another order."
    if two and len(two) == sum(two.values()) < sum(one.values()) and one.keys() == two.keys():
        yield "Some entries came more than once."
    missing, extra = list((two - one).elements()), list((one - two).elements())
    if missing and not extra and came:
        yield f"Missing: {_listed(missing)}. All else is there."
    if extra and not missing:
        yield f"Too many: {_listed(extra)}. All else is right."
    if len(came) == len(wanted) and all(isinstance(each, str) for each in came + wanted):
        yield from _of_strings(came, wanted)


def _listed(entries: list[str]) -> str:
    return ", ".join(entries[:SHORT]) + ", .." * (len(entries) > SHORT)


def _of_strings(came: list[str], wanted: list[str]) -> Iterator[str]:
    pairs = list(zip(came, wanted, strict=True))
    for step in (1, -1):
        if came == [_counted_on(each, step) for each in wanted]:
            yield (
                f"The numbers in the names are one too {'high' if step > 0 else 'low'}: all count "
                "from 0."
            )
    front = {a.removesuffix(b) for a, b in pairs if a.endswith(b)}
    if len(front) == 1 and all(a.endswith(b) for a, b in pairs) and front != {""}:
        yield f"Each has {front.pop()!r} in front of what is asked for."


def _counted_on(text: str, step: int) -> str:
    """The text with every number in it moved."""
    return re.sub(r"\d+", lambda found: str(int(found[0]) + step), text)
