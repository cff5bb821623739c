"""`python -m minicache [tour|memory|train|harvest]`: the front door. With no command, the tour."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from io import TextIOWrapper

from minicache.errors import ConfigError, MinicacheError, nearest

COMMANDS = {
    "tour": "take a trained model apart on one prompt (the default)",
    "memory": "measure what autodiff keeps, by every method",
    "train": "train the model that ships with minicache",
    "harvest": "write the activations of a whole data set to files",
}


def main(argv: list[str] | None = None) -> int:
    """Run a command. What a user did wrong becomes one line on stderr, and status 2."""
    arguments = sys.argv[1:] if argv is None else argv
    first = arguments[0] if arguments else "-"
    command, rest = ("tour", arguments) if first.startswith("-") else (first, arguments[1:])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # pragma: no branch  # not so only inside a test
            stream.reconfigure(errors="replace")  # an ASCII terminal gets ? for a bar
    try:
        if command not in COMMANDS:
            raise ConfigError(
                f"There is no command {first!r}.{nearest(first, COMMANDS)} "
                f"Give {', '.join(COMMANDS)}, or none for the tour."
            )
        status: int = import_module(f"minicache.cli.{command}").main(rest)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("minicache: stopped.", file=sys.stderr)
        return 130
    except (MinicacheError, OSError) as error:
        print(f"minicache: {error}", file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
