"""No page prints the answer of an exercise before it asks for it."""

from __future__ import annotations

import ast
import re
from difflib import SequenceMatcher

import pytest

from tests.test_lessons import PAGES, ROOT, lesson

MOST_ALIKE = 0.6  # the share of a reference's syntax tree that a listing may hold, in runs of three
SHORT = 12  # nodes; a shorter function is like any other
EXERCISES = sorted(folder for folder in (ROOT / "exercises").glob("ex[0-9][0-9]_*"))


class Shape(ast.NodeVisitor):
    """A tree's nodes in order. What a variable is called, or an error says, does not count."""

    def __init__(self, tree):
        self.nodes = []
        self.visit(tree)

    def generic_visit(self, node):
        silent = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.arguments | ast.Raise) or silent:
            return
        name = getattr(node, "attr", None) or getattr(node, "arg", None)
        if isinstance(node, ast.Constant) and not isinstance(node.value, str):
            name = repr(node.value)
        if not isinstance(node, ast.expr_context):
            self.nodes.append((type(node).__name__, name))
        super().generic_visit(node)


def functions(code):
    """Each function of a piece of code as (name, its nodes)."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef):
            yield node.name, [node for part in node.body for node in Shape(part).nodes]


def likeness(reference, shown):
    """The share of the reference that stands in what is shown, in the same order."""
    blocks = SequenceMatcher(None, reference, shown, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= 3) / len(reference)


def printed_before(markdown, command):
    """The functions that a page shows before a command, as (name, nodes)."""
    before = markdown[: markdown.index(command)]
    for block in lesson.Lesson("page", before).blocks():
        if block.kind in ("run", "check", "figure"):
            yield from functions(block.text)
        elif block.kind == "source" and not block.info.endswith(".js"):
            yield from functions(lesson.source(block.info))


def alike(solution, markdown, command):
    """What a page shows too much of: (function of the solution, shown function, likeness)."""
    return [
        (asked, name, round(likeness(nodes, shown), 2))
        for asked, nodes in functions(solution)
        for name, shown in printed_before(markdown, command)
        if len(nodes) >= SHORT and likeness(nodes, shown) > MOST_ALIKE
    ]


@pytest.mark.parametrize("folder", EXERCISES, ids=lambda folder: folder.name)
def test_no_page_prints_the_answer_before_it_asks_for_it(folder):
    command = f"pytest exercises -k {folder.name.partition('_')[2]}\n"
    pages = [text for file in PAGES if command in (text := file.read_text("utf-8"))]
    assert pages, f"no lesson asks for {folder.name}"
    solution = (folder / "meta" / "solution.py").read_text("utf-8")
    assert [found for text in pages for found in alike(solution, text, command)] == []


def test_a_page_that_prints_the_answer_is_found_under_other_names():
    solution = (ROOT / "exercises" / "ex12_apply_ln" / "meta" / "solution.py").read_text("utf-8")
    renamed = re.sub(r"\bparts\b", "stack", solution)
    assert alike(
        solution, f"```run\n{renamed}```\npytest exercises -k x\n", "pytest exercises -k x\n"
    )
