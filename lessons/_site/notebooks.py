"""Write a lesson as a Jupyter notebook that opens anywhere: it finds minicache, or installs it."""

from __future__ import annotations

import re
from collections.abc import Iterable
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
FIND = """\
# Find minicache: a copy of its repository, or a wheel of it, in this folder, in one inside it, or
# in one above. What else is needed and missing is installed.
import os, sys
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

def is_ours(folder):  # the minicache on PyPI is another project's
    return (folder / "minicache" / "hooks" / "root.py").is_file()

here, spec = Path.cwd(), find_spec("minicache")
installed = [Path(spec.origin).parents[1]] if spec and spec.origin else []
places = [here, *here.parents, *sorted(p for p in here.iterdir() if p.is_dir())]
wheels = [str(wheel) for place in places for wheel in sorted(place.glob("minicache-*.whl"))]
folder = next(filter(is_ours, [*installed, *places]), None)
if folder:
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
elif wheels:
    %pip install --quiet --no-deps --force-reinstall {wheels[0]}
else:
    raise ImportError(
        f"This page needs minicache's repository, or a wheel of it (minicache-*.whl), in {here}. "
        "Put it there, and run this cell again. (On PyPI the name is another project's.)"
    )
missing = " ".join(name for name in NEEDED if not find_spec(name))
pins = folder / "constraints.txt" if folder else None
if missing and pins and pins.is_file():
    %pip install --quiet -c {pins} {missing}
elif missing:
    %pip install --quiet {missing}
invalidate_caches()"""


def notebook(cells: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A notebook of ("markdown", "code" or "fails", text); "fails" has to raise when it runs."""
    cells = [(kind, text) for kind, text in cells if text.strip()]
    code = "\n".join(text for kind, text in cells if kind != "markdown")
    needed = [name for words, names in NEEDS.items() if re.search(words, code) for name in names]
    first = FIND.replace("NEEDED", repr((*BASE, *needed)))
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
