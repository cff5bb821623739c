"""Run every notebook of a site or a hand-out as a reader would: `python run_notebooks.py FOLDER`.

The notebooks are run where nothing else is but a copy of the package: `--beside WHAT` puts a file
or a folder there (a wheel, a clone), without it a link to this repository's package is there.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--timeout", type=int, default=120, help="seconds for one cell")
    args = parser.parse_args()
    pattern = f"*{args.only}*.ipynb" if args.only else "*.ipynb"
    for file in sorted((args.folder / "notebooks").glob(pattern)):
        with tempfile.TemporaryDirectory() as place:
            if args.beside is None:
                (Path(place) / "clone").mkdir()
                (Path(place) / "clone" / "minicache").symlink_to(ROOT / "minicache")
            elif args.beside.is_file():
                shutil.copy(args.beside, place)
            else:
                shutil.copytree(args.beside, Path(place) / args.beside.name)
            run(file, place, args.timeout)


def run(file: Path, place: str, timeout: int) -> None:
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    resources = {"metadata": {"path": place}}
    client = NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=resources)
    client.execute()
    print(f"{file.stem}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} cells run")


if __name__ == "__main__":
    main()
