"""Run a command: `python -m minicache COMMAND`. With no command, run the tour.

`cli/options.py` lists the commands.
"""

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
    """Run a command, and return its exit status. A user's mistake is told on one line of stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # pragma: no branch  # False in some tests only
            stream.reconfigure(errors="replace")  # an ASCII terminal shows bars as question marks
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
    except BrokenPipeError:  # the program that reads the output, such as `head`, has ended
        _discard_output()
        return 0
    except KeyboardInterrupt:
        return _report_failure("stopped.", 130)
    except (MinicacheError, MemoryError) as error:
        return _report_failure(str(error) or "out of memory.")
    except OSError as error:
        file = "" if error.filename is None else f"{error.filename}: "
        return _report_failure(f"{file}{error.strerror or error}")
    except RuntimeError as error:
        if "allocate" not in str(error):
            raise
        return _report_failure(f"out of memory: {error}")


def _report_failure(reason: str, status: int = 2) -> int:
    """Print the reason on one line of stderr, and return the exit status."""
    line = " ".join(reason.splitlines())
    if sys.stderr is not None:  # with file=None, print writes to stdout
        with suppress(OSError):
            print(f"minicache: {line}", file=sys.stderr)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:  # pragma: no cover  # covered in a subprocess, which is not measured
        _discard_output()
    return status


def _discard_output() -> None:
    """Discard buffered output. Python would try to write it when it exits, and fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _interrupt_ends_process() -> Iterator[None]:
    """Let Ctrl-C end the process at once while torch is imported.

    A KeyboardInterrupt that is raised during the import may be swallowed, or abort the process.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _end_process)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_process(*_: object) -> NoReturn:
    os.write(2, b"minicache: stopped.\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
