"""Write a lesson as a Jupyter notebook that opens anywhere: it finds minicache, or installs it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["notebook"]

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


def notebook(cells: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A notebook of ("markdown", "code" or "fails", text); "fails" has to raise when it runs."""
    cells = [(kind, text) for kind, text in cells if text.strip()]
    code = "\n".join(text for kind, text in cells if kind != "markdown")
    needed = [name for words, names in NEEDS.items() if re.search(words, code) for name in names]
    first = FIRST_CELL.replace("NEEDED = []", f"NEEDED = {[*BASE, *needed]}").rstrip()
    if "matplotlib" in needed:
        first += "\n%matplotlib inline"
    made = [_cell(number, *cell) for number, cell in enumerate([("code", first), *cells])]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    language = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
    metadata = {"kernelspec": kernel, "language_info": language}
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"id": f"cell-{number}", "metadata": {}, "source": text}
    if kind == "markdown":
        cell["source"] = re.sub(r"\\\((.+?)\\\)", r"$\1$", text)  # mathematics, as Jupyter has it
        return {"cell_type": "markdown", **cell}
    if kind == "fails":
        cell["metadata"] = {"tags": ["raises-exception"]}
    return {"cell_type": "code", **cell, "execution_count": None, "outputs": []}
