"""Write a lesson as a Jupyter notebook that opens anywhere: it finds minicache, or installs it.

Markdown knows no boxes that open. So what a page folds away, an answer above all, stands between
`<details>` and `</details>`, which notebooks fold as a browser does. Code is never inside: a cell
of code in an answer stands between two such parts.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import boxes
from markdown import markdown

__all__ = ["Cells"]

# What a page needs beside the package's own requirements, by what its code speaks of.
NEEDS = {
    r"\bplots\b|matplotlib": ["matplotlib"],
    r"psutil|memory_profiler|memray|tensorboard|memory\.methods": [
        *("psutil", "memory_profiler", "memray", "tensorboard"),
    ],
    r"transformers|\bbridge": ["transformers"],
    r"datasets": ["datasets"],
}
BASE = ["torch", "einops", "jaxtyping", "safetensors", "rich"]
FIRST_CELL = (Path(__file__).parent / "first_cell.py").read_text("utf-8")
HEAD = re.compile(r'^( *)\?\?\?\+? (\w+) "(.*)"$')
LINK = re.compile(r"\[([^\]]+)\]\((?:([\w-]+)\.md)?(?:#[\w-]*)?\)")


class Cells:
    """The cells of one notebook, in order: prose, what is to be read, and code to run."""

    def __init__(self) -> None:
        self._made: list[tuple[str, str]] = []
        self._waiting: list[str] = []  # Markdown that goes into the next cell
        self._fold = ""  # what the fold says that the next cell is in; "" outside of one
        self._indent = 0  # of what is in the fold

    def prose(self, text: str) -> None:
        """Take a part of a page's Markdown, in which folds may begin and end."""
        lines: list[str] = []
        in_code = False
        for line in text.splitlines():
            in_code ^= line.strip().startswith("```")
            head = HEAD.match(line)
            if not in_code and (head or self._is_left_by(line)):
                self._wait(lines)
                lines = []
                self._close()
            if head and not in_code:
                indent, kind, title = head.groups()
                self._fold = boxes.CLOSED if kind == "answer" else title
                self._indent = len(indent) + 4
                self._waiting += [f"**{title}.**"] * (kind == "answer")
            else:
                lines.append(line)
        self._wait(lines)
        if not self._fold:
            self._write()

    def read(self, indent: str, text: str) -> None:
        """Take a listing or a picture, which stands in a page with this indentation."""
        if self._is_left_by(f"{indent}."):
            self._close()
        self._waiting.append(text)
        if not self._fold:
            self._write()

    def run(self, kind: str, indent: str, text: str) -> None:
        """Take code to run: of `kind` "code", or "fails" where it has to raise."""
        if self._is_left_by(f"{indent}."):
            self._close()
        self._write()
        if self._fold == boxes.CLOSED:
            self._fold = "What it shows"
        self._made.append((kind, text))

    def notebook(self) -> dict[str, Any]:
        """All that was taken, after a cell that finds minicache and what the page needs."""
        self._close()
        code = "\n".join(text for kind, text in self._made if kind != "markdown")
        needed = [n for words, names in NEEDS.items() if re.search(words, code) for n in names]
        first = FIRST_CELL.replace("NEEDED = []", f"NEEDED = {[*BASE, *needed]}").rstrip()
        if "matplotlib" in needed:
            first += "\n%matplotlib inline"
        cells = [_cell(place, *made) for place, made in enumerate([("code", first), *self._made])]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        language = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
        metadata = {"kernelspec": kernel, "language_info": language}
        return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}

    def _is_left_by(self, line: str) -> bool:
        """Whether a line is outside of the fold that we are in."""
        indent = len(line) - len(line.lstrip())
        return bool(self._fold and line.strip() and indent < self._indent)

    def _wait(self, lines: list[str]) -> None:
        self._waiting += filter(None, [boxes.plain("\n".join(lines)).strip()])

    def _write(self) -> None:
        """Make a cell of what is waiting."""
        if text := "\n\n".join(self._waiting):
            if self._fold:
                said = markdown(self._fold).removeprefix("<p>").removesuffix("</p>")
                text = f"<details>\n<summary>{said}</summary>\n\n{text}\n\n</details>"
            self._made.append(("markdown", text))
        self._waiting = []

    def _close(self) -> None:
        self._write()
        self._fold, self._indent = "", 0


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"id": f"cell-{number}", "metadata": {}, "source": text}
    if kind == "markdown":
        text = re.sub(r"\\\((.+?)\\\)", r"$\1$", text)  # mathematics, as Jupyter has it
        cell["source"] = LINK.sub(_link, text)
        return {"cell_type": "markdown", **cell}
    if kind == "fails":
        cell["metadata"] = {"tags": ["raises-exception"]}
    return {"cell_type": "code", **cell, "execution_count": None, "outputs": []}


def _link(match: re.Match[str]) -> str:
    """A link to a lesson leads to its notebook. Of any other on the site, the words stay."""
    return f"[{match[1]}]({match[2]}.ipynb)" if re.match(r"\d\d_", match[2] or "") else match[1]
