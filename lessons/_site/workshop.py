"""Write the instructors' tables from the exercises: their length, and the mistakes to expect."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

__all__ = ["filled"]

EXERCISES = Path(__file__).parents[2] / "exercises"
MARKS = ("<!-- exercises -->", "<!-- mistakes -->")
SLIP = "slip "  # how the names of mistakes in one narrow case begin


def filled(markdown: str) -> str:
    """A page's Markdown with our tables in the place of their marks."""
    made = (_overview, _mistakes)
    for mark, make in zip(MARKS, made, strict=True):
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    return markdown


def _overview() -> str:
    rows = ["| exercise | lesson | points | minutes | difficulty |", "|---|---|---|---|---|"]
    for folder in _folders():
        said = _said(folder)
        words = len((ast.get_docstring(_tree(folder / "exercise.py")) or "").split())
        statements = _statements(folder / "meta/solution.py") - _statements(folder / "exercise.py")
        minutes = 5 * round((words / 100 + 2 * max(statements, 4)) / 5 + 0.5)
        difficulty = "easy" if statements < 9 else "middle" if statements < 16 else "hard"
        number = int(folder.name[2:4])
        lesson = re.sub(r"^lesson ", "", said["LESSON"])
        title = f"{number} `{folder.name[5:]}`: {said['TITLE']}"
        rows.append(f"| {title} | {lesson} | {said['points']} | {minutes} | {difficulty} |")
    return "\n".join(rows)


def _mistakes() -> str:
    parts = []
    for folder in _folders():
        known = json.loads((folder / "record.json").read_text("utf-8"))["edits"]
        parts.append(f"## {int(folder.name[2:4])} {folder.name[5:]}: {_said(folder)['TITLE']}\n")
        names: dict[str, list[str]] = {}
        for name, one in known.items():
            names.setdefault(one["cause"], []).append(name)
        # Whether an entry is a slip alone: several names may have one cause.
        entries: dict[bool, list[str]] = {False: [], True: []}
        for cause, alike in names.items():
            alike.sort(key=lambda name: name.startswith(SLIP))
            entry = f"- {', '.join(f'`{name}`' for name in alike)}: {cause}"
            entries[alike[0].startswith(SLIP)].append(entry)
        parts += [*entries[False], ""]
        if slips := entries[True]:
            told = "One slip, in" if len(slips) == 1 else f"{len(slips)} slips, each in"
            parts.append(f'??? note "{told} one narrow case"\n')
            parts += [*(f"    {entry}" for entry in slips), ""]
    return "\n".join(parts)


def _folders() -> list[Path]:
    return sorted(EXERCISES.glob("ex[0-9][0-9]_*"))


def _said(folder: Path) -> dict[str, str]:
    """TITLE and LESSON of an exercise's checks, and the sum of its points."""
    tree, points = _tree(folder / "test_exercise.py"), 0
    said = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            said[ast.unparse(node.targets[0])] = str(node.value.value)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = [ast.unparse(one) for one in node.decorator_list]
            given = [re.match(r"points\((\d+)\)", one) for one in marks]
            points += next((int(one[1]) for one in given if one), 1)
    return {**said, "points": str(points)}


def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def _statements(file: Path) -> int:
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    nodes = [
        n for n in ast.walk(_tree(file)) if isinstance(n, ast.stmt) and not isinstance(n, kinds)
    ]
    return sum(not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)) for n in nodes)
