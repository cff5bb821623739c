"""Write what the references and the wrong variants show, for the diagnosis (maintainers)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from exercises.grader.bank import ABSENT, LIMIT, Exercise, exercises_in, fingerprint
from exercises.grader.child import load_module, watch
from exercises.grader.look import alike

__all__ = ["make_record", "record"]


def record() -> None:
    """Write every `record.json` anew, with what is flat on a line of its own."""
    for exercise in exercises_in():
        text = json.dumps(make_record(exercise), indent=1)
        text = re.sub(r"[\[{][^][{}]*[]}]", lambda flat: re.sub(r"\n\s*", " ", flat[0]), text)
        (exercise.folder / "record.json").write_text(text + "\n", encoding="utf-8")


def make_record(exercise: Exercise) -> dict[str, Any]:
    """What the reference shows, and where each wrong variant in `meta/` shows something else."""
    meta, checks = exercise.folder / "meta", exercise.folder / "test_exercise.py"

    def shown_by(file: Path) -> dict[tuple[str, str], Any]:
        sighting = watch(checks, file, LIMIT)
        if sighting.ended:
            raise RuntimeError(f"{file}: {sighting.ended}")
        return {(c, label): seen for c, of in sighting.seen.items() for label, seen in of.items()}

    expected = shown_by(meta / "solution.py")
    shown: dict[str, dict[str, Any]] = {}
    for (check, label), seen in expected.items():
        shown.setdefault(check, {})[label] = seen
    wrong = {}
    for file in sorted(meta.glob("wrong_*.py")):
        seen = shown_by(file)
        places = [
            (*place, seen.get(place, ABSENT))
            for place in dict.fromkeys([*expected, *seen])
            if not alike(seen.get(place, ABSENT), expected.get(place, ABSENT))
        ]
        feedback = (load_module("variant", file).__doc__ or "").strip()
        wrong[file.stem.removeprefix("wrong_")] = {"feedback": feedback, "shown": places}
    stub = fingerprint(exercise.stub.read_text("utf-8"))
    return {"stub": stub, "shown": shown, "wrong": wrong}
