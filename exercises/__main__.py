"""`python -m exercises start|doctor|grade|release|record`: work, check, grade a class, hand out."""

import argparse
import sys
from pathlib import Path


def main(argv=None):
    """Run a command. This module imports under any Python 3, so that `doctor` can say so."""
    args = _parser().parse_args(argv)
    if args.command == "doctor" or sys.version_info < (3, 11):
        from exercises.commands.doctor import doctor

        return 1 if doctor() else 0
    from exercises.commands.run import run

    return run(args)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m exercises", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    only = {"metavar": "1,2,11", "default": "", "help": "only these exercises, by number"}

    start = commands.add_parser("start", help="make a folder of answers; never overwrites")
    start.add_argument("folder", type=Path)
    start.add_argument("--only", **only)

    commands.add_parser("doctor", help="is everything there that the exercises need?")

    grade = commands.add_parser("grade", help="grade a class: a folder or a zip file a student")
    grade.add_argument("folder", type=Path)
    grade.add_argument("--only", **only)
    grade.add_argument("--csv", type=Path, help="write the points there, a row a student")
    grade.add_argument("--page", type=Path, help="write a page for the projector, without names")
    grade.add_argument("--names", action="store_true", help="put names on that page")

    wrappers = "no points for answers that call minicache's own"
    grade.add_argument("--no-wrappers", action="store_true", help=wrappers)

    release = commands.add_parser("release", help="write a copy for students, without solutions")
    release.add_argument("folder", type=Path, nargs="?")
    release.add_argument("--only", **only)
    release.add_argument("--site", action="store_true", help="build the lessons into it")
    release.add_argument("--classroom", action="store_true", help="with GitHub Classroom's file")
    release.add_argument("--gradescope", type=Path, metavar="ZIP", help="write Gradescope's zip")

    for name, help in (
        ("record", "write what the references and the known wrong answers show (maintainers)"),
        ("mutants", "grade every small change of the references, show what passes (maintainers)"),
    ):
        commands.add_parser(name, help=help).add_argument("names", nargs="*", metavar="NAME")
    return parser


if __name__ == "__main__":
    sys.exit(main())
