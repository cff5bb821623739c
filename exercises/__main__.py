"""`python -m exercises start|release|record`: one's own answers, copies for students, records."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from exercises.grader.bank import ABSENT, HOME, LIMIT, Exercise, exercises_in, fingerprint
from exercises.grader.child import load_module, watch
from exercises.grader.look import alike


def start(folder: Path) -> list[Path]:
    """Put a stub of each exercise in a folder of answers. What is there stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for exercise in exercises_in():
        file = folder / f"{exercise.name}.py"
        if not file.exists() and not (folder / exercise.name).exists():
            shutil.copyfile(exercise.stub, file)
            made.append(file)
    return made


def release(folder: Path) -> None:
    """Write a copy for students: the exercises without `meta/`, and what they need to run."""
    names = ("exercises", "minicache", "pyproject.toml", "constraints.txt", "LICENSE")
    parts = {name: HOME.parent / name for name in names} | {"README.md": HOME / "README.md"}
    for name, source in parts.items():
        if (folder / name).exists():
            raise FileExistsError(f"{folder / name} is there already. Give a new folder.")
        if not source.exists():
            raise FileNotFoundError(f"{source} is missing, and a copy needs it.")
    folder.mkdir(parents=True, exist_ok=True)
    unwanted = shutil.ignore_patterns("meta", "__pycache__", "*.pyc")
    for name, source in parts.items():
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=unwanted)
        else:
            shutil.copyfile(source, folder / name)


def record() -> None:
    """Write every `record.json` anew, with what is flat on a line of its own."""
    for exercise in exercises_in():
        text = json.dumps(make_record(exercise), indent=1)
        text = re.sub(r"[\[{][^][{}]*[]}]", lambda flat: re.sub(r"\n\s*", " ", flat[0]), text)
        (exercise.folder / "record.json").write_text(text + "\n", encoding="utf-8")


def make_record(exercise: Exercise) -> dict[str, Any]:
    """What the reference shows, and where each wrong variant in `meta/` shows something else."""
    meta, checks = exercise.folder / "meta", exercise.folder / "test_exercise.py"

    def shown_by(file: Path) -> dict[tuple[str, str], Any]:
        sighting = watch(checks, file, LIMIT)
        if sighting.ended:
            raise RuntimeError(f"{file}: {sighting.ended}")
        return {(c, label): seen for c, of in sighting.seen.items() for label, seen in of.items()}

    expected = shown_by(meta / "solution.py")
    shown: dict[str, dict[str, Any]] = {}
    for (check, label), seen in expected.items():
        shown.setdefault(check, {})[label] = seen
    wrong = {}
    for file in sorted(meta.glob("wrong_*.py")):
        seen = shown_by(file)
        places = [
            (*place, seen.get(place, ABSENT))
            for place in dict.fromkeys([*expected, *seen])
            if not alike(seen.get(place, ABSENT), expected.get(place, ABSENT))
        ]
        feedback = (load_module("variant", file).__doc__ or "").strip()
        wrong[file.stem.removeprefix("wrong_")] = {"feedback": feedback, "shown": places}
    stub = fingerprint(exercise.stub.read_text("utf-8"))
    return {"stub": stub, "shown": shown, "wrong": wrong}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m exercises", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help in (
        ("start", "make a folder of answers; never overwrites"),
        ("release", "write a copy for students, without solutions"),
    ):
        commands.add_parser(name, help=help).add_argument("folder", type=Path)
    commands.add_parser("record", help="write what the references and variants show (maintainers)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        if args.command == "start":
            made = start(args.folder)
            print(
                f"{len(made)} new files in {args.folder}.\n"
                f"Now: pytest exercises --answers {args.folder}"
            )
        elif args.command == "release":
            release(args.folder)
            print(f"Written to {args.folder}. Its README.md says how to begin.")
        else:
            record()
    except OSError as error:
        print(f"exercises: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
