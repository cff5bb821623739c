"""Write a copy for students, or an autograder for Gradescope: neither has solutions.

Only files that are known are copied: those that git lists, and where there is no git those that the
package is known to have. So no answer, scratch file or environment of an instructor's goes out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from exercises.grader.bank import HOME, Exercise, is_stub

__all__ = ["ReleaseError", "known_files", "pack_for_gradescope", "refuse_a_file", "release"]

ROOT, HANDOUT = HOME.parent, Path(__file__).parent / "handout"
KNOWN = (
    *("pyproject.toml", "constraints.txt", "LICENSE"),
    *("exercises/__init__.py", "exercises/__main__.py", "exercises/conftest.py"),
    "exercises/earlier.py",
    *("exercises/grader/*.py", "exercises/commands/*.py", "exercises/commands/handout/*"),
    *("minicache/**/*.py", "minicache/py.typed", "minicache/model/tiny/*"),
)
OF_AN_EXERCISE = ("__init__.py", "exercise.py", "test_exercise.py", "hints.md", "*.json")


class ReleaseError(Exception):
    """What was asked for cannot be handed out."""


def release(
    folder: Path, exercises: Sequence[Exercise], site: bool = False, classroom: bool = False
) -> None:
    """Write a student's copy into a new folder: all of it, or nothing."""
    _refuse_a_place(folder)
    files = known_files(exercises)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        copy = Path(made) / "copy"
        for file in files:
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, copy / file)
        if site:
            _build_site(copy / "lessons")
        notebooks = _write_notebooks(copy / "notebooks", copy / "lessons" / "notebooks")
        parts = {"README.md": "README.md", "gitignore": ".gitignore"}
        parts["commands.html"] = "commands.html"
        if classroom:
            parts["classroom.yml"] = ".github/workflows/classroom.yml"
            (copy / ".github" / "workflows").mkdir(parents=True)
        for source, name in parts.items():
            text = _filled(source, exercises, site, notebooks)
            (copy / name).write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rmdir()  # it is empty
        copy.rename(folder)


def pack_for_gradescope(file: Path, exercises: Sequence[Exercise]) -> None:
    """Write Gradescope's autograder: the graded part of a student's copy, and two scripts."""
    refuse_a_file(file)
    files = known_files(exercises)
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in files:
            packed.write(ROOT / name, name.as_posix())
        packed.writestr("README.md", _filled("README.md", exercises))
        for name in ("setup.sh", "run_autograder"):
            script = zipfile.ZipInfo(name)
            script.external_attr = 0o755 << 16
            packed.writestr(script, (HANDOUT / name).read_bytes())


def known_files(exercises: Sequence[Exercise]) -> list[Path]:
    """The files of a copy, relative to the repository. Every stub must be as it came."""
    listed = _listed_by_git()
    changed = set() if listed is None else _changed_in_git([one.stub for one in exercises])
    solved = [one.name for one in exercises if one.stub in changed or not is_stub(one, one.stub)]
    if solved:
        raise ReleaseError(
            f"These stubs are not as they came: {', '.join(solved)}. A copy would hand your "
            "answers out. Put them back (git checkout exercises), or move them to a folder of "
            "your own (python -m exercises start my_answers)."
        )
    patterns = [*KNOWN, *(f"exercises/{e.name}/{own}" for e in exercises for own in OF_AN_EXERCISE)]
    there = {p.relative_to(ROOT) for one in patterns for p in ROOT.glob(one) if p.is_file()}
    if missing := [name for name in patterns if "*" not in name and Path(name) not in there]:
        raise ReleaseError(f"A copy needs {', '.join(missing)}, and there is no such file.")
    return sorted(there if listed is None else there & listed)


def _listed_by_git() -> set[Path] | None:
    """The files that git knows; None where this folder is no repository's root."""
    try:
        top = _git("rev-parse", "--show-toplevel").strip()
        if Path(top).resolve() != ROOT.resolve():
            return None
        return {Path(name) for name in _git("ls-files", "-z").split("\0") if name}
    except (OSError, subprocess.CalledProcessError):
        return None


def _changed_in_git(files: Sequence[Path]) -> set[Path]:
    """Those that differ from git's: also in a comment, which the fingerprint does not see."""
    names = [file.relative_to(ROOT).as_posix() for file in files]
    return {ROOT / name for name in _git("diff", "--name-only", "HEAD", "--", *names).split("\n")}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True)
    return done.stdout.decode()


def _refuse_a_place(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ReleaseError(f"{folder} is there already. Give a new folder.")
    _refuse_inside(folder)


def refuse_a_file(file: Path) -> None:
    """Raise `ReleaseError` unless a new file can be written there."""
    if file.exists():
        raise ReleaseError(f"{file} is there already. Give a new name.")
    _refuse_inside(file)


def _refuse_inside(place: Path) -> None:
    if files := [one for one in place.parents if one.exists() and not one.is_dir()]:
        raise ReleaseError(f"{files[0]} is a file. Nothing can be written into it.")
    for own in ("exercises", "minicache", "lessons", "tests", ".git"):
        if (ROOT / own).resolve() in (place.resolve(), *place.resolve().parents):
            raise ReleaseError(f"{place} is inside {own}/. Give a place outside of it.")


def _filled(
    name: str, exercises: Sequence[Exercise], site: bool = False, notebooks: bool = False
) -> str:
    """A file of the hand-out, with what this copy holds in its place."""
    lessons = ["- `lessons/index.html`: the lessons, to read. A double click opens it."] * site
    lessons += [
        "- `notebooks/`: the lessons, to run in VS Code or Jupyter. For the latter, once:\n"
        "  `pip install -c constraints.txt jupyterlab`, and then `jupyter lab notebooks`."
    ] * notebooks
    known = [e for e in exercises if e.key == "getitem"] or [*exercises]
    values = {
        "{N}": len(exercises),
        "{POINTS}": sum(one.most for one in exercises),
        "{LESSONS}": "\n".join(lessons),
        "ex05_getitem": known[0].name,
        "getitem": known[0].key,
    }
    text = (HANDOUT / name).read_text("utf-8")
    for name, value in values.items():
        text = text.replace(name, str(value))
    return text


def _write_notebooks(folder: Path, built: Path) -> bool:
    """Every lesson as a notebook. False where the lessons are not here.

    Args:
        built: Where a site that was built has them, with their pictures: what those draw was
            computed there. Else each says where the site has a picture.
    """
    pages = sorted((ROOT / "lessons").glob("[0-9][0-9]_*.md"))
    if not pages:
        return False
    folder.mkdir()
    if built.is_dir():
        for page in pages:
            shutil.copyfile(built / f"{page.stem}.ipynb", folder / f"{page.stem}.ipynb")
        return True
    sys.path.insert(0, str(ROOT / "lessons" / "_site"))
    try:
        from lesson import Lesson
    except ModuleNotFoundError as error:
        raise ReleaseError(
            f"The notebooks need {error.name}, which is not installed. Install the extra docs: "
            "pip install -c constraints.txt -e '.[docs]'"
        ) from None
    finally:
        sys.path.pop(0)
    for page in pages:
        notebook = Lesson(page.stem, page.read_text("utf-8")).notebook()
        text = json.dumps(notebook, indent=1) + "\n"
        (folder / f"{page.stem}.ipynb").write_text(text, encoding="utf-8")
    return True


def _build_site(folder: Path) -> None:
    """Build the lessons without the pages for instructors. No link leads there, and no search."""
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    env = {**os.environ, "FOR_STUDENTS": "true"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-3:])
        raise ReleaseError(
            "The site was not built. It needs the extra test, with all that the lessons run: "
            f"pip install -c constraints.txt -e '.[test]'\n{last}"
        )
