"""Run every notebook of a built site, as a reader would: `python run_notebooks.py SITE`."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

for file in sorted(Path(sys.argv[1], "notebooks").glob("*.ipynb")):
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    print(f"{file.stem}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} cells run")
