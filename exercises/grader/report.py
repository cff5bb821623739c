"""What a learner reads: a scoreboard, feedback, hints."""

from __future__ import annotations

import json
import os
import re
import textwrap
from pathlib import Path

from exercises.grader.bank import Exercise, Result

__all__ = ["feedback", "hints", "next_hint", "scoreboard", "wrapped"]

WIDTH = 78
MARKS = {"passed": "+", "not started": " ", "wrong": "x", "crashed": "!", "timed out": "~"}


def scoreboard(results: list[Result]) -> str:
    """A line an exercise, and a bar."""
    lines = []
    for one in results:
        points = f"{one.score}/{one.exercise.most}"
        start = f" {MARKS[one.status]} {one.exercise.name:<22} {one.status:<11} {points:>5}  "
        started = one.call or one.problem or "".join(one.notes[:1])
        todo = "read its exercise.py" if one.status == "not started" else started
        lines.append(start + textwrap.shorten(todo, WIDTH - len(start), placeholder=" .."))
    done = sum(one.status == "passed" for one in results)
    earned, most = sum(one.score for one in results), sum(one.exercise.most for one in results)
    bar = "#" * round(30 * earned / most)
    lines.append(f"\n [{bar:.<30}]  {earned} of {most} points, {done} of {len(results)} exercises")
    return "\n".join(lines)


def feedback(result: Result) -> str:
    """All that is to be said of one answer: what was called, what came, what it looks like."""
    exercise, key = result.exercise, result.exercise.name.partition("_")[2]
    parts = [f"{exercise.name}: {exercise.title}"]
    if result.status == "not started":
        parts.append(result.problem or f"Not started. The task is in {exercise.name}/exercise.py.")
    else:
        parts += [textwrap.indent(result.call, "  ")] * bool(result.call)
        parts.append(textwrap.indent(wrapped(result.problem, WIDTH - 4), "    "))
        if not result.score:
            parts.append("No points count until the first check passes.")
    if result.feedback:
        parts.append("This looks like a known mix-up. " + " ".join(result.feedback.split()))
    parts += result.notes
    parts.append(f"Read again: {exercise.lesson}\nNext hint:  pytest exercises -k {key} --hint")
    return "\n\n".join(wrapped(part) for part in parts)


def wrapped(text: str, width: int = WIDTH) -> str:
    """Wrapped line by line, so that what stands in lines of its own stays so. Paths stay whole."""
    lines, whole = [], {"break_on_hyphens": False, "break_long_words": False}
    for line in text.splitlines():
        later = " " * len(re.match(r"\s*((came|expected):\s+)?", line)[0])
        lines += textwrap.wrap(line, width, subsequent_indent=later, **whole) or [""]
    return "\n".join(lines)


def hints(exercise: Exercise) -> list[str]:
    """The hints of an exercise: the parts of `hints.md` under its headings."""
    text = (exercise.folder / "hints.md").read_text("utf-8")
    return [" ".join(part.split()) for part in re.split(r"^## .*$", text, flags=re.M)[1:]]


def next_hint(exercise: Exercise) -> str:
    """The hint after the last one given. Where that cannot be remembered, all of them."""
    every = [f"Hint {n} of 3. {hint}" for n, hint in enumerate(hints(exercise), 1)]
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    file = state / "minicache" / "hints.json"
    try:
        given = json.loads(file.read_text()) if file.exists() else {}
        number = min(int(given.get(exercise.name, 0)), len(every) - 1)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**given, exercise.name: number + 1}))
        every = [every[number]]
    except (OSError, ValueError, AttributeError, TypeError):
        pass
    return "\n\n".join(wrapped(hint) for hint in every)
