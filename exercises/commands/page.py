"""Make the page for the projector: how far the class is, by exercise, without names."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exercises.commands.grade import Class

__all__ = ["page"]

HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="30">
<title>How far we are</title>
<style>
  body { font: 1.3rem/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem;
         padding: 0 1rem; color: #1a1a1a; background: #fff }
  table { border-collapse: collapse; width: 100% }
  th { text-align: left; font-weight: normal; white-space: nowrap; padding: .1em 1em .1em 0 }
  td { padding: .1em .3em }
  td:nth-child(2) { width: 100% }
  .bar { display: flex; height: 1em; background: #ddd }
  .passed { background: #1a6b34 } .begun { background: #e0a100 }
  .key span { display: inline-block; width: .9em; height: .9em; margin: 0 .3em 0 1em }
  .key span.rest { background: #ddd }
</style>
"""


def page(graded: Class, names: bool) -> str:
    """HTML that loads nothing, and loads itself again every half minute."""
    whole = len(graded.students)
    rows = []
    for number, exercise in enumerate(graded.exercises):
        statuses = Counter(one.results[number].status for one in graded.students)
        passed = statuses["passed"]
        begun = whole - passed - statuses["not started"]
        parts = "".join(
            f'<div class="{kind}" style="width:{100 * count / whole:.1f}%"></div>'
            for kind, count in (("passed", passed), ("begun", begun))
        )
        rows.append(
            f'<tr><th scope="row">{exercise.number} {escape(exercise.title)}</th>'
            f'<td><div class="bar">{parts}</div></td><td>{passed}</td><td>{begun}</td></tr>'
        )
    earned = sum(one.score for one in graded.students)
    share = round(100 * earned / (whole * graded.most))
    who = ""
    if names:
        lines = "".join(
            f"<tr><th scope='row'>{escape(one.name)}</th><td>{one.score}</td></tr>"
            for one in graded.students
        )
        who = f"<h2>Who</h2><table><tr><th>student</th><th>points</th></tr>{lines}</table>"
    return (
        f"{HEAD}<h1>How far we are: {share} % of all points</h1>"
        '<p class="key"><span class="passed"></span>passed <span class="begun"></span>begun '
        f'<span class="rest"></span>not started, of {whole}</p>'
        "<table><tr><th>exercise</th><th></th><th>passed</th><th>begun</th></tr>"
        f"{''.join(rows)}</table>{who}</html>\n"
    )
