"""`python -m minicache COMMAND`: run a command of `cli/options.py`. With no command, the tour."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from io import TextIOWrapper
from typing import NoReturn

from minicache.errors import MinicacheError


def main(argv: list[str] | None = None) -> int:
    """Run a command. A user's mistake becomes one line on stderr, and status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # pragma: no branch  # not so only inside a test
            stream.reconfigure(errors="replace")  # an ASCII terminal gets ? for a bar
    try:
        if sys.stdout is None:
            raise OSError("Standard output is closed. Send it to a file, or to /dev/null.")
        with _interrupt_ends_process():
            options = import_module("minicache.cli.options")
            args = options.parse(sys.argv[1:] if argv is None else argv)
            command = import_module(f"minicache.cli.{args.command}")
        status: int = command.run(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _drop_output()
        return 0
    except KeyboardInterrupt:
        return _failed("stopped.", 130)
    except (MinicacheError, MemoryError) as error:
        return _failed(str(error) or "out of memory.")
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        return _failed(f"{where}{error.strerror or error}")
    except RuntimeError as error:
        if "allocate" not in str(error):
            raise
        return _failed(f"out of memory: {error}")


def _failed(why: str, status: int = 2) -> int:
    """Say why on stderr, on one line."""
    line = " ".join(why.splitlines())
    if sys.stderr is not None:  # print would take stdout in its place
        with suppress(OSError):
            print(f"minicache: {line}", file=sys.stderr)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:  # pragma: no cover  # only where output is closed, as in a child of the tests
        _drop_output()
    return status


def _drop_output() -> None:
    """Discard the rest of the output. Python would try to write it at its end, and fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _interrupt_ends_process() -> Iterator[None]:
    """Let Ctrl-C end the process at once, while torch loads.

    Its loading takes seconds, and a KeyboardInterrupt in it may be swallowed, or abort the process.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(*_: object) -> NoReturn:
    os.write(2, b"minicache: stopped.\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
