"""Run the commands of `python -m exercises`, and say in a sentence what went wrong."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from exercises.commands.grade import grade_class
from exercises.commands.mutants import mutants
from exercises.commands.record import record
from exercises.commands.release import ReleaseError, pack_for_gradescope, refuse_a_file, release
from exercises.commands.start import start
from exercises.grader.bank import exercises_in, select

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    """The exit status: 0, or 2 after a mistake in what was asked."""
    torch.set_num_threads(1)
    try:
        if args.command == "mutants":
            return mutants(args.names)
        {"start": _start, "grade": _grade, "release": _release, "record": _record}[args.command](
            args
        )
    except (OSError, ReleaseError, ValueError) as error:
        print(f"exercises: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("exercises: stopped.", file=sys.stderr)
        return 130
    return 0


def _start(args: argparse.Namespace) -> None:
    made = start(args.folder, select(exercises_in(), args.only))
    now = f"pytest exercises --answers {shlex.quote(str(args.folder))}"
    print(f"{len(made)} new files in {args.folder}.\nNow: {now}")


def _grade(args: argparse.Namespace) -> None:
    for file in filter(None, (args.csv, args.page)):  # before a minute's grading, not after it
        if file.is_dir() or not file.parent.is_dir():
            raise ValueError(f"{file}: give a file in a folder that is there.")
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            raise ValueError(f"{file} cannot be written to. Is it open elsewhere? Give another.")
    graded = grade_class(args.folder, select(exercises_in(), args.only), not args.no_wrappers)
    sys.stdout.reconfigure(errors="replace")  # a name may have letters that the terminal has not
    print(graded.table())
    failed = [
        _written(args.csv, graded.write_csv),
        _written(args.page, lambda file: graded.write_page(file, args.names)),
    ]
    if told := " ".join(filter(None, failed)):
        raise ValueError(told)


def _written(file: Path | None, write: Callable[[Path], None]) -> str:
    """Write a file, if one was asked for. Why that failed, or ""."""
    try:
        if file is not None:
            write(file)
    except OSError as error:
        return f"{file} could not be written: {error.strerror}."
    return ""


def _release(args: argparse.Namespace) -> None:
    if args.folder is None and args.gradescope is None:
        raise ReleaseError("Give a folder for the copy, or --gradescope FILE.zip, or both.")
    exercises = select(exercises_in(), args.only)
    if args.gradescope is not None:
        refuse_a_file(args.gradescope)  # before the copy is written, and not after it
    if args.folder is not None:
        release(args.folder, exercises, args.site, args.classroom)
        print(f"Written to {args.folder}. Its README.md says how to begin.")
    if args.gradescope is not None:
        pack_for_gradescope(args.gradescope, exercises)
        points = sum(one.most for one in exercises)
        print(f"Written to {args.gradescope}: upload it as the autograder, of {points} points.")


def _record(args: argparse.Namespace) -> None:
    print(*record(args.names), sep="\n")
