"""What course systems read: Gradescope's results.json, GitHub's summary, Classroom's points.

Gradescope and Classroom count points. JUnit's XML, which pytest writes, counts checks.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exercises.grader.bank import Result
from exercises.grader.report import feedback

__all__ = ["classroom_result", "summary", "write_scores"]


def write_scores(results: list[Result], file: Path, seconds: float, about: str = "") -> None:
    """Gradescope's results.json: a test for each check, and no score on top to disagree with."""
    tests = [
        {
            "name": f"{result.exercise.name}: {check.removeprefix('test_').replace('_', ' ')}",
            "score": result.earned[check],
            "max_score": worth,
            "status": "passed" if result.earned[check] == worth else "failed",
            "output": output,
            "output_format": "text",
            "visibility": "visible",
        }
        for result in results
        for (check, worth), output in zip(
            result.exercise.checks.items(), _outputs(result), strict=True
        )
    ]
    whole = {"execution_time": round(seconds), "output_format": "text", "tests": tests}
    if about:
        whole["output"] = about
    file.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _outputs(result: Result) -> Iterator[str]:
    """A text for each check: the feedback once, where it first failed."""
    told = False
    for check, worth in result.exercise.checks.items():
        if result.earned[check] == worth:
            yield ""
        else:
            yield "See the first failed check of this exercise." if told else _told(result)
            told = True


def _told(result: Result) -> str:
    """The feedback, for whoever grades again on a machine of his own."""
    return f"{feedback(result)}\nIf your answers lie in a folder, add --answers and that folder."


def summary(results: list[Result], about: str = "") -> str:
    """Markdown for GitHub's step summary: the total, a table, the first unfinished exercise."""
    earned, most = _total(results)
    rows = [f"| {r.exercise.name} | {r.status} | {r.score} / {r.exercise.most} |" for r in results]
    parts = [f"## {earned} of {most} points", ""]
    parts += ["| exercise | status | points |", "|---|---|---|", *rows, ""]
    if unfinished := next((one for one in results if one.status != "passed"), None):
        parts += ["The first unfinished exercise:", "", *_fenced(_told(unfinished)), ""]
    if about:
        parts += [*_fenced(about), ""]
    return "\n".join(parts)


def _fenced(text: str) -> list[str]:
    return ["````text", text.replace("````", "'```"), "````"]


def classroom_result(results: list[Result]) -> str:
    """What GitHub Classroom's reporter reads of a step: `result=` and base64 of JSON."""
    tests: list[dict[str, Any]] = [
        {
            "name": one.exercise.name,
            "status": "pass" if one.status == "passed" else "fail",
            "score": one.score,
            "message": f"{one.status}: {one.score} of {one.exercise.most} points",
            "line_no": 0,
        }
        for one in results
    ]
    status = "pass" if all(one.status == "passed" for one in results) else "fail"
    _, most = _total(results)
    said = {"version": 1, "status": status, "max_score": most, "tests": tests}
    return f"result={base64.b64encode(json.dumps(said).encode()).decode()}\n"


def _total(results: list[Result]) -> tuple[int, int]:
    return sum(one.score for one in results), sum(one.exercise.most for one in results)
