"""Write what the references show, and the signatures of the known wrong answers (maintainers)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exercises.grader.bank import LIMIT, Exercise, fingerprint, named
from exercises.grader.child import Sighting, load_module, watch
from exercises.grader.variants import (
    LOCAL,
    Edit,
    Seen,
    edited,
    pairs,
    places,
    read_sights,
    sights,
    signature,
    write_sights,
)

__all__ = ["edits_of", "make_record", "record"]


def record(names: list[str]) -> list[str]:
    """Write every `record.json` anew, or of those with a name in `names`. What is to be decided."""
    said = []
    for exercise in named(names):
        made, conflicts = make_record(exercise)
        lines = [f'"{key}": {_compact(key, value)}' for key, value in made.items()]
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        (exercise.folder / "record.json").write_text(text, encoding="utf-8")
        said += [f"{exercise.name}: {conflict}" for conflict in conflicts]
    return said


def _compact(key: str, value: Any) -> str:
    """JSON with a line for each check, edit or pair, so that a change can be read."""
    if isinstance(value, dict):
        lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + "\n}"
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(json.dumps, value)) + "\n]"
    return json.dumps(value)


def edits_of(exercise: Exercise) -> list[Edit]:
    """The known wrong answers of an exercise."""
    return load_module("variants", exercise.folder / "meta" / "variants.py").EDITS


def make_record(exercise: Exercise, with_pairs: bool = True) -> tuple[dict[str, Any], list[str]]:
    """What the reference and every edit of it show; and which of them cannot be told apart."""
    checks, solution = exercise.folder / "test_exercise.py", exercise.folder / "meta/solution.py"
    source, edits = solution.read_text("utf-8"), edits_of(exercise)
    with tempfile.TemporaryDirectory() as folder:
        sight = _sight(checks, Path(folder))
        reference = sight(source)
        if reference.ended or reference.broken:
            raise RuntimeError(f"{exercise.name}: {reference.ended} {reference.broken}")
        shown = {
            check: {label: _bare(seen) for label, seen in labels.items()}
            for check, labels in reference.seen.items()
        }
        known, conflicts = {}, []
        for edit in edits:
            sighting = sight(edited(source, [edit]) or "")
            seen = sights(shown, sighting.seen)
            if edit.local:
                seen = _of_the_first_check(seen, shown)
            if sighting.ended or sighting.broken or not seen:
                why = sighting.ended or sighting.broken or "nothing tells it from the reference"
                conflicts.append(f"{edit.name} ({edit.cause[:70]}): {why}")
            known[edit.name] = {"cause": " ".join(edit.cause.split()), "seen": write_sights(seen)}
        at = [set(read_sights(one["seen"])) for one in known.values()]
        of_pairs = []
        for i, j, code in pairs(edits, source, at) if with_pairs else ():
            sighting = sight(code)
            if not sighting.ended and not sighting.broken:
                of_pairs.append(f"{i} {j} {signature(sights(shown, sighting.seen))}")
    conflicts += _conflicts(known, of_pairs)
    stub = fingerprint(exercise.stub.read_text("utf-8"))
    return {"stub": stub, "shown": shown, "edits": known, "pairs": of_pairs}, conflicts


def _of_the_first_check(seen: dict[int, str], shown: Seen) -> dict[int, str]:
    checks = [check for check, _, _ in places(shown)]
    return {number: one for number, one in seen.items() if checks[number] == checks[min(seen)]}


def _sight(checks: Path, folder: Path) -> Callable[[str], Sighting]:
    def sight(code: str) -> Sighting:
        (folder / "answer.py").write_text(code, "utf-8")
        return watch(checks, folder / "answer.py", LIMIT)

    return sight


def _bare(seen: dict[str, Any]) -> dict[str, Any]:
    """What a record keeps of what the reference shows: no line of it, no words of its errors."""
    if seen["kind"] == "raised":
        builtin = seen["builtin"]
        words = {"classes": [builtin], "text": builtin, "line": None}
        return {"kind": "raised", "builtin": builtin, **words}
    return {key: value for key, value in seen.items() if key != "set_up"}


def _conflicts(known: dict[str, Any], of_pairs: list[str]) -> list[str]:
    names, said = [f"{name} ({one['cause'][:70]})" for name, one in known.items()], []
    alone = [signature(read_sights(one["seen"])) for one in known.values()]
    local = [name.startswith(LOCAL) for name in known]
    for i, name in enumerate(names):
        alike = [names[j] for j in range(i) if alone[j] == alone[i] and local[j] == local[i]]
        said += [f"{name} behaves like {', '.join(alike)}"] * bool(alike)
        for pair in of_pairs:
            one, two, seen = pair.split(" ")
            if seen == alone[i] and str(i) not in (one, two) and not local[i]:
                said.append(f"{name} behaves like {names[int(one)]} with {names[int(two)]}")
    return said
