"""Show source code beside its notes: a fence of its own, rendered to HTML.

Docstrings and comments for tools are left out of what a page shows; the end of the page has the
full text, folded. A note stands in a column beside its line on a wide screen, below the code on a
narrow one, and needs neither a click nor JavaScript.
"""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Sequence
from typing import Any

from markdown import markdown
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

FOR_TOOLS = re.compile(r"\s*# (?:type: |noqa|pragma: ).*$")
MARK = "\ue000"  # private use: it stands where a note's number will stand


def brief(code: str, kept: Sequence[str] = ()) -> str:
    """The code without docstrings, and without comments that speak to tools.

    Args:
        kept: A docstring that holds one of these fragments stays: a note points at it.
    """
    lines = code.splitlines()
    dropped: set[int] = set()
    for node in ast.walk(ast.parse(code)):
        body = getattr(node, "body", None)
        # A class or function that is nothing but its docstring keeps it.
        if not isinstance(body, list) or len(body) < 2 or not _is_text(body[0]):
            continue
        first, then = body[0], body[1]
        text = "\n".join(lines[first.lineno - 1 : first.end_lineno])
        if any(fragment in text for fragment in kept):
            continue
        above = min([then.lineno, *(d.lineno for d in getattr(then, "decorator_list", []))])
        dropped |= set(range(first.lineno - 1, first.end_lineno))
        for index in range(first.end_lineno, above - 1):  # the blank line after it
            if lines[index].strip():
                break
            dropped.add(index)
    return "\n".join(
        FOR_TOOLS.sub("", line) for index, line in enumerate(lines) if index not in dropped
    )


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def fence(code: str, title: str, notes: list[tuple[int, str]], language: str = "python") -> str:
    """A fence that `render` turns into a listing. A note is (line, counted from 0, text)."""
    lines = code.splitlines()
    for line, _ in notes:
        lines[line] += MARK
    head = json.dumps({"title": title, "language": language, "notes": notes})
    return "\n".join(["````` listing", head, *lines, "`````"])


def render(text: str, *_: Any, **__: Any) -> str:
    """The HTML of a listing: pymdownx.superfences calls this."""
    head, _, code = text.partition("\n")
    about = json.loads(head)
    notes = about["notes"]
    lexer = get_lexer_by_name(about["language"], stripnl=False)
    coloured = highlight(code.replace(MARK, ""), lexer, HtmlFormatter(nowrap=True)).rstrip("\n")
    order = sorted(range(len(notes)), key=lambda number: notes[number][0])
    numbers = {notes[number][0]: place + 1 for place, number in enumerate(order)}
    lines = []
    for index, (shown, plain) in enumerate(
        zip(coloured.split("\n"), code.split("\n"), strict=False)
    ):
        indent = len(plain) - len(plain.lstrip())
        mark = f'<span class="mark" data-n="{numbers[index]}"></span>' if index in numbers else ""
        lines.append(f'<span class="line" style="--in:{indent}ch">{shown}{mark}\n</span>')
    made = (
        f'<div class="listing-title">{html.escape(about["title"])}</div>'
        f'<div class="highlight"><pre><code>{"".join(lines)}</code></pre></div>'
    )
    if not notes:
        return f'<div class="listing">{made}</div>'
    ends = [notes[number][0] for number in order[1:]] + [len(lines)]
    items = []
    for number, end in zip(order, ends, strict=True):
        line, said = notes[number]
        place = f"--row:{line + 1};--span:{max(1, end - line)}"
        inner = markdown(said).removeprefix("<p>").removesuffix("</p>")
        items.append(f'<li style="{place}">{inner}</li>')
    return f'<div class="listing noted">{made}<ol class="notes">{"".join(items)}</ol></div>'
