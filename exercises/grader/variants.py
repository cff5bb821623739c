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

from exercises.grader.look import Observation, differs, numbers, result_differs

__all__ = [
    *("ABSENT", "LOCAL", "Edit", "Seen", "came_at", "diagnose", "edited", "faults", "pairs"),
    *("places",),
    *("read_sights", "sights", "signature", "slip", "slips", "write_sights"),
]

ABSENT: Observation = {"kind": "absent", "value": "nothing: it was not reached"}
LOCAL = "slip"  # how the names of local edits begin
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

    @property
    def local(self) -> bool:
        """It misbehaves in a narrow region, and its cause says no more than what the first check
        shows where it does. So it is known by that check, beside any other mistakes.
        """
        return self.name.startswith(LOCAL)


def slip(name: str, replace: dict[str, str], cause: str) -> Edit:
    """A local edit: `slip` stands before its name."""
    return Edit(f"{LOCAL} {name}", replace, cause)


def slips(before: str, regions: Mapping[str, str], ways: Mapping[str, str]) -> list[Edit]:
    """An edit for each region and each way to misbehave there.

    Args:
        before: A line of the reference. What is made stands before it, with its indentation.
        regions: By condition: what it holds for, in words that begin a sentence.
        ways: By statement: what is done there, in words that end the sentence.
    """
    indent = before[: len(before) - len(before.lstrip())]
    return [
        slip(
            _digest([before, condition, statement]),
            {before: f"{indent}if {condition}:\n{indent}    {statement}\n{before}"},
            f"{region} {words}",
        )
        for condition, region in regions.items()
        for statement, words in ways.items()
    ]


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


def sights(expected: Seen, seen: Seen) -> dict[int, str]:
    """What an answer shows at each place where it differs, in a few bytes each.

    A digest of what is discrete, then two sums over the other numbers. An exception is `!`, its
    built-in class, and a digest of its text unless the words are the learner's own.
    """
    return {
        number: _sight(number, came, wanted)
        for number, (check, label, wanted) in enumerate(places(expected))
        if differs(came := came_at(seen, check, label), wanted)
    }


def _sight(number: int, came: Observation, wanted: Observation) -> str:
    changed = came.get("changed", [])
    beside = f"~{_digest(changed)}" if changed else ""
    if not result_differs(came, wanted):  # right, but for what it changed
        return f"right{beside}"
    if came["kind"] == "raised":
        text = re.sub(r"0x[0-9a-f]+", "0x", came["text"])
        text = re.sub(r"(variable|name) '\w+'", r"\1", text)  # the learner's own names
        return f"!{came['builtin']}" + ("" if came["own"] else f".{_digest(text)}") + beside
    kind, floats = _split(came)
    if not len(floats):
        return _digest(kind) + beside
    scaled, finite = _scaled(floats, wanted)
    generator = torch.Generator().manual_seed(number)
    signs = torch.randint(0, 2, (2, len(scaled)), generator=generator) * 2.0 - 1
    sums = ",".join(f"{value:.6g}" for value in (signs.double() @ scaled).tolist())
    return f"{_digest([kind, finite])}{beside},{sums}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:6]


def signature(sights: Mapping[int, str]) -> str:
    """All sights in one: a digest of what is discrete, and the sums over all other numbers."""
    parts = {number: sight.split(",") for number, sight in sights.items()}
    discrete = [[number, discrete] for number, (discrete, *_) in parts.items()]
    numbers = [list(map(float, sums)) for _, *sums in parts.values() if sums]
    digest = hashlib.sha256(json.dumps(discrete).encode()).hexdigest()[:8]
    return ",".join([digest, *(f"{sum(values):.6g}" for values in zip(*numbers, strict=True))])


def _split(came: Observation) -> tuple[Any, Tensor]:
    """What is discrete in an observation, and its other numbers."""
    none = torch.zeros(0, dtype=torch.float64)
    match came:
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
    (first, *a), (second, *b) = one.split(","), two.split(",")
    return _same_kind(first, second) and all(
        math.isclose(float(x), float(y), rel_tol=tolerance, abs_tol=tolerance * 10)
        for x, y in zip(a, b, strict=True)
    )


def _same_kind(one: str, two: str) -> bool:
    """Whether what is discrete is the same. A learner's own words may say what torch says."""
    if not (one.startswith("!") and two.startswith("!")):
        return one == two
    (first, _, a), (second, _, b) = one.partition("~"), two.partition("~")
    (class_of_one, _, text), (class_of_two, _, other) = first.partition("."), second.partition(".")
    return a == b and class_of_one == class_of_two and (text == other or not text or not other)


def diagnose(record: Mapping[str, Any], seen: Seen) -> dict[str, list[int]]:
    """The edits that an answer behaves like: for each its cause, and the places that it explains.

    Where an edit or a pair shows all that the answer shows, only what such have in common is said.
    Else the answer may have several mistakes. An edit is found if wherever it misbehaves the answer
    shows the same; one that explains less than another is left out. They are said where they
    explain every fault of the first check that fails. (A later check's faults may follow from
    these.)
    """
    shown = sights(record["shown"], seen)
    known = {name: read_sights(edit["seen"]) for name, edit in record["edits"].items()}
    within = [
        name
        for name, at in known.items()
        if at and all(number in shown and _alike(at[number], shown[number]) for number in at)
    ]
    checks = [check for check, _, _ in places(record["shown"])]
    first = [number for number in shown if checks[number] == checks[min(shown)]]
    whole = [
        {name}
        for name in within
        if known[name].keys() == shown.keys() and not name.startswith(LOCAL)
    ]
    names = list(known)
    # One edit that is local, and shows all that its check shows, says more than any two together.
    alone = any(name.startswith(LOCAL) and known[name].keys() == {*first} for name in within)
    for pair in [] if alone else record["pairs"]:
        one, two, seen_of_pair = pair.split(" ")
        if _alike(seen_of_pair, signature(shown)):
            whole.append({names[int(one)], names[int(two)]})
    if whole:
        common = set.intersection(*whole)
        explains = {name: sorted(known[name].keys() & shown.keys()) for name in common}
    else:
        most = [a for a in within if not any(known[a].keys() < known[b].keys() for b in within)]
        explains = {name: [n for n in known[name] if n in first] for name in most}
        if set(first) - set().union(*explains.values()):
            until = max(n for n, check in enumerate(checks) if check == checks[first[0]])
            explains = _of_one_check(known, shown, first, until)
    return {record["edits"][name]["cause"]: at for name, at in explains.items() if at}


def _of_one_check(
    known: Mapping[str, Mapping[int, str]], shown: Mapping[int, str], first: list[int], until: int
) -> dict[str, list[int]]:
    """The one edit that shows, until the end of the first failing check, all that the answer shows.

    It goes on otherwise in a later check, so this needs more: several values, and no other edit
    that shows the same. An edit that misbehaves where the answer is right explains nothing.
    """
    found = [
        name
        for name, at in known.items()
        if not name.startswith(LOCAL)
        and [number for number in at if number <= until] == first
        and all(_alike(at[number], shown[number]) for number in first)
    ]
    values = [shown[number] for number in first]
    strong = sum("," in value for value in values) > 1 or len(set(values)) > 2
    return {found[0]: first} if strong and len(found) == 1 else {}


def write_sights(sights: Mapping[int, str]) -> str:
    """All in one line, for a record."""
    return " ".join(f"{number}:{sight}" for number, sight in sights.items())


def read_sights(line: str) -> dict[int, str]:
    return {int(number): sight for number, sight in (one.split(":") for one in line.split())}


def pairs(edits: list[Edit], source: str, at: list[set[int]]) -> Iterator[tuple[int, int, str]]:
    """All pairs of edits that can be made together: their numbers, and the source with both.

    Those that show at no place in common are left out: each is known by itself. So are local ones.
    """
    for (i, one), (j, two) in combinations(enumerate(edits), 2):
        apart = one.local or two.local or not at[i] & at[j]
        if not apart and (code := edited(source, [one, two])) is not None:
            yield i, j, code
