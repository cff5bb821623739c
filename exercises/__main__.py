"""`python -m exercises start|release|record`: one's own answers, copies for students, records."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch

from exercises.grader.bank import HOME, exercises_in, make_record


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
    """Write a copy for students: everything but `meta/`."""
    target = folder / "exercises"
    if target.exists():
        raise FileExistsError(f"{target} is there already. Give a new folder.")
    shutil.copytree(HOME, target, ignore=shutil.ignore_patterns("meta", "__pycache__", "*.pyc"))


def record() -> None:
    """Write every `record.json` anew."""
    for exercise in exercises_in():
        text = json.dumps(make_record(exercise), indent=1, sort_keys=False)
        (exercise.folder / "record.json").write_text(text + "\n", encoding="utf-8")


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
            print(f"Written to {args.folder / 'exercises'}.")
        else:
            record()
    except OSError as error:
        print(f"exercises: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
