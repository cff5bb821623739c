"""What course systems read: Gradescope's results.json, and a table for GitHub's step summary."""

from __future__ import annotations

import json
from pathlib import Path

from exercises.grader.bank import Result
from exercises.grader.report import feedback

__all__ = ["summary_table", "write_scores"]


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
