"""What a learner reads, and what course systems read: a scoreboard, feedback, exports."""

from __future__ import annotations

import json
import os
import re
import textwrap
from pathlib import Path

from exercises.grader.bank import Exercise, Result

__all__ = ["feedback", "hints", "next_hint", "scoreboard", "summary_table", "write_scores"]

WIDTH = 78
MARKS = {"passed": "+", "not started": " ", "wrong": "x", "crashed": "!", "timed out": "~"}


def scoreboard(results: list[Result]) -> str:
    """A line an exercise, and a bar."""
    lines = []
    for result in results:
        name = result.exercise.name
        points = f"{result.score}/{result.exercise.most}"
        start = f" {MARKS[result.status]} {name:<22} {result.status:<11} {points:>5}  "
        lines.append(start + textwrap.shorten(_todo(result), WIDTH - len(start), placeholder=" .."))
    done = sum(result.status == "passed" for result in results)
    earned = sum(result.score for result in results)
    most = sum(result.exercise.most for result in results)
    filled = round(30 * earned / most)
    bar = "#" * filled + "." * (30 - filled)
    lines.append(f"\n [{bar}]  {earned} of {most} points, {done} of {len(results)} exercises")
    return "\n".join(lines)


def _todo(result: Result) -> str:
    if result.status == "passed":
        return result.notes[0] if result.notes else ""
    if result.status == "not started":
        return result.problem or "read its exercise.py"
    return result.call or result.problem


def feedback(result: Result) -> str:
    """All that is to be said of one answer: what was called, what came, what it looks like."""
    exercise = result.exercise
    parts = [f"{exercise.name}: {exercise.title}"]
    if result.status == "not started":
        parts.append(result.problem or f"Not started. The task is in {exercise.name}/exercise.py.")
    else:
        if result.call:
            parts.append(textwrap.indent(result.call, "  "))
        parts.append(textwrap.indent(_wrapped(result.problem, WIDTH - 4), "    "))
        if not result.earned[next(iter(result.earned))]:
            parts.append("No points count until the first check passes.")
    if result.feedback:
        parts.append("This looks like a known mix-up. " + _joined(result.feedback))
    parts += result.notes
    key = exercise.name.partition("_")[2]
    parts.append(f"Read again: {exercise.lesson}\nNext hint:  pytest exercises -k {key} --hint")
    return "\n\n".join(_wrapped(part, WIDTH) for part in parts)


def _joined(text: str) -> str:
    return " ".join(text.split())


def _wrapped(text: str, width: int) -> str:
    """Wrapped line by line, so that what stands in lines of its own stays so."""
    lines = []
    for line in text.splitlines():
        indent = re.match(r"\s*((came|expected):\s+)?", line)
        later = " " * len(indent[0]) if indent else ""
        lines += textwrap.wrap(line, width, subsequent_indent=later, break_on_hyphens=False) or [""]
    return "\n".join(lines)


def hints(exercise: Exercise) -> list[str]:
    """The hints of an exercise: the parts of `hints.md` under its headings."""
    text = (exercise.folder / "hints.md").read_text("utf-8")
    return [part.strip() for part in re.split(r"^## .*$", text, flags=re.M)[1:]]


def next_hint(exercise: Exercise) -> str:
    """The hint after the last one given. Where that cannot be remembered, all of them."""
    every = hints(exercise)
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    file = state / "minicache" / "hints.json"
    try:
        given = json.loads(file.read_text()) if file.exists() else {}
        number = min(int(given.get(exercise.name, 0)), len(every) - 1)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**given, exercise.name: number + 1}))
    except (OSError, ValueError, AttributeError, TypeError):
        return "\n\n".join(f"Hint {n} of {len(every)}. {hint}" for n, hint in enumerate(every, 1))
    return _wrapped(f"Hint {number + 1} of {len(every)}. {_joined(every[number])}", WIDTH)


def write_scores(results: list[Result], file: Path, seconds: float) -> None:
    """Gradescope's results.json: a test for each check, and no score on top to disagree with."""
    tests = []
    for result in results:
        for check, worth in result.exercise.checks.items():
            passed = result.earned[check] == worth
            title = check.removeprefix("test_").replace("_", " ")
            tests.append(
                {
                    "name": f"{result.exercise.name}: {title}",
                    "score": result.earned[check],
                    "max_score": worth,
                    "status": "passed" if passed else "failed",
                    "output": "" if passed else feedback(result),
                    "output_format": "text",
                    "visibility": "visible",
                }
            )
    whole = {"execution_time": round(seconds), "output_format": "text", "tests": tests}
    file.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def summary_table(results: list[Result]) -> str:
    """A Markdown table, for GitHub's step summary."""
    rows = [f"| {r.exercise.name} | {r.status} | {r.score} / {r.exercise.most} |" for r in results]
    return "\n".join(["| exercise | status | points |", "|---|---|---|", *rows, ""])
