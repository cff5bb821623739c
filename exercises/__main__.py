"""`python -m exercises`: one's own answers, copies for students, and what maintainers need."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from exercises.commands.mutants import mutants
from exercises.commands.record import record
from exercises.commands.release import release
from exercises.commands.start import start


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m exercises", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help in (
        ("start", "make a folder of answers; never overwrites"),
        ("release", "write a copy for students, without solutions"),
    ):
        commands.add_parser(name, help=help).add_argument("folder", type=Path)
    for name, help in (
        ("record", "write what the references and the known wrong answers show (maintainers)"),
        (
            "mutants",
            "grade every small change of the references, and show what passes (maintainers)",
        ),
    ):
        commands.add_parser(name, help=help).add_argument("names", nargs="*", metavar="NAME")
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
        elif args.command == "record":
            print(*record(args.names), sep="\n")
        else:
            return mutants(args.names)
    except OSError as error:
        print(f"exercises: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
