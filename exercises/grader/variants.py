"""Know a misconception by its behaviour: edits of the reference, and what each of them shows.

`meta/variants.py` lists wrong answers as edits of `meta/solution.py`. Each edit and each pair of
edits is graded once (`python -m exercises record`), and `record.json` keeps a signature of all that
differs from the reference. An edit's cause is shown only for an answer whose whole behaviour has
that signature. So a copy for students names causes and holds no solution.

A signature is a hash of all that is discrete (where it differs, kinds, shapes, exceptions, names,
whole numbers) and two sums over all other numbers, with random signs, each number relative to the
largest expected beside it. Rounding moves the sums a little, another behaviour moves them a lot.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import torch
from torch import Tensor

from exercises.grader.look import Observation, differs, numbers

__all__ = ["ABSENT", "Edit", "came_at", "diagnose", "edited", "faults", "places", "signature"]

ABSENT: Observation = {"kind": "absent", "value": "nothing: it was not reached"}
Seen = Mapping[str, Mapping[str, Observation]]  # by check, and within it by label


@dataclass(frozen=True)
class Edit:
    """A wrong answer: the reference with some of its text replaced.

    Attributes:
        name: A word or three, for maintainers.
        replace: What stands in the reference (exactly once), and what stands there instead.
        cause: What the behaviour shows and where it comes from, in a sentence or two. It is read
            beside the evidence, by somebody who wrote it otherwise; it has to be true of everything
            that behaves so.
    """

    name: str
    replace: dict[str, str]
    cause: str


def edited(source: str, edits: Iterable[Edit]) -> str | None:
    """The source with all edits made; None where they meet in the same text."""
    spans = []
    for edit in edits:
        for old, new in edit.replace.items():
            if source.count(old) != 1:
                raise ValueError(
                    f"{edit.name}: {source.count(old)} times in the reference: {old!r}"
                )
            spans.append((source.index(old), source.index(old) + len(old), new))
    spans.sort()
    if any(one[1] > two[0] for one, two in pairwise(spans)):
        return None
    for begin, end, new in reversed(spans):
        source = source[:begin] + new + source[end:]
    return source


def places(expected: Seen) -> Iterator[tuple[str, str, Observation]]:
    """All (check, label, observation) of the reference, in order."""
    for check, labels in expected.items():
        for label, seen in labels.items():
            yield check, label, seen


def came_at(seen: Seen, check: str, label: str) -> Observation:
    """What an answer showed there; "" is where the check itself could not go on."""
    of = seen.get(check, {})
    return of.get(label) or of.get("") or ABSENT


def faults(expected: Seen, seen: Seen) -> list[int]:
    """The numbers of the places at which an answer differs from the reference."""
    return [
        number
        for number, (check, label, wanted) in enumerate(places(expected))
        if differs(came_at(seen, check, label), wanted)
    ]


def signature(expected: Seen, seen: Seen) -> str:
    """What an answer shows that the reference does not, in a few bytes."""
    discrete: list[Any] = []
    sums, count = torch.zeros(2, dtype=torch.float64), 0
    for number, (check, label, wanted) in enumerate(places(expected)):
        came = came_at(seen, check, label)
        if differs(came, wanted):
            kind, floats = _split(came)
            if not differs({**came, "changed": []}, wanted):  # right, but for what it changed
                kind, floats = "right", floats[:0]
            discrete.append([number, kind, came.get("changed", [])])
            if len(floats):
                scaled, finite = _scaled(floats, wanted)
                discrete.append(finite)
                generator = torch.Generator().manual_seed(number)
                signs = torch.randint(0, 2, (2, len(scaled)), generator=generator) * 2.0 - 1
                sums, count = sums + signs.double() @ scaled, count + len(scaled)
    digest = hashlib.sha256(json.dumps(discrete).encode()).hexdigest()[:10]
    return " ".join([digest, *(f"{value:.7g}" for value in sums.tolist() if count)])


def _split(came: Observation) -> tuple[Any, Tensor]:
    """What is discrete in an observation, and its other numbers."""
    none = torch.zeros(0, dtype=torch.float64)
    match came:
        case {"kind": "raised", "builtin": builtin, "own": True}:
            return builtin, none  # the words are the learner's own
        case {"kind": "raised", "builtin": builtin, "text": text}:
            return [builtin, re.sub(r"0x[0-9a-f]+", "0x", text)], none
        case {"kind": "tensor", "of": "float", "values": str()}:
            return [came["shape"], "float"], numbers(came)
        case {"kind": "tensor"}:
            return [came["shape"], came["of"], came["values"]], none
        case {"kind": "plain", "value": value}:
            flat = list(_flat(value))
            floats = torch.tensor([one for one in flat if isinstance(one, float)]).double()
            return [None if isinstance(one, float) else one for one in flat], floats
    return [came["kind"], came["value"]], none


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield len(value)
        for one in value:
            yield from _flat(one)
    else:
        yield value


def _scaled(floats: Tensor, wanted: Observation) -> tuple[Tensor, str]:
    """Numbers relative to the largest expected, squeezed; and which of them are not finite."""
    _, beside = _split(wanted) if wanted["kind"] in ("tensor", "plain") else (None, floats)
    largest = max((abs(v) for v in beside.tolist() if math.isfinite(v)), default=0.0) or 1.0
    finite = floats.isfinite()
    marks = "".join("n" if v != v else "+" if v > 0 else "-" for v in floats[~finite].tolist())
    scaled = floats.where(finite, 0) / largest
    return scaled.sign() * scaled.abs().log1p(), marks + str((~finite).nonzero().tolist())


def _alike(one: str, two: str, tolerance: float = 1e-4) -> bool:
    (first, *a), (second, *b) = one.split(), two.split()
    return first == second and all(
        math.isclose(float(x), float(y), rel_tol=tolerance, abs_tol=tolerance * 10)
        for x, y in zip(a, b, strict=True)
    )


def diagnose(record: Mapping[str, Any], seen: Seen) -> dict[str, list[int]]:
    """The edits that an answer behaves like: for each its cause, and the places that it explains.

    Where several edits and pairs behave alike, only what they have in common is said.
    """
    shown = signature(record["shown"], seen)
    names = list(record["edits"])
    explained = [{name} for name in names if _alike(record["edits"][name]["seen"], shown)]
    for pair in record["pairs"]:
        one, two, seen_of_pair = pair.split(" ", 2)
        if _alike(seen_of_pair, shown):
            explained.append({names[int(one)], names[int(two)]})
    common = set.intersection(*explained) if explained else set()
    edits = {name: record["edits"][name] for name in names if name in common}
    return {edit["cause"]: edit["at"] for edit in edits.values()}


def pairs(edits: list[Edit], source: str) -> Iterator[tuple[int, int, str]]:
    """All pairs of edits that can be made together: their numbers, and the source with both."""
    for (i, one), (j, two) in combinations(enumerate(edits), 2):
        if (code := edited(source, [one, two])) is not None:
            yield i, j, code
