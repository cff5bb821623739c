"""Parse and check the command line: the options of each command, and those that several share.

This module does not import torch until a command runs, so that `--help` and the message about a
misspelt option come at once. A new command needs a line in `COMMANDS`, a function that adds its
options, and a module `minicache/cli/NAME.py` with `run(args)`, which returns the exit status.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from rich.console import Console

from minicache.errors import ArgumentValueError, ConfigError, nearest

if TYPE_CHECKING:  # pragma: no cover  # torch, and what imports it
    import torch

    from minicache.model import HookedTransformer

__all__ = ["COMMANDS", "Screen", "clip", "load_model", "parse", "parse_device"]

PROMPT: Final = "When Mary and John went to the shop , John gave a book to"
LARGEST: Final = 2**31 - 1  # the largest size that an option takes


def parse(argv: Sequence[str]) -> Namespace:
    """Parse the command, as `.command`, and its options. Without a command, it is the tour.

    Raises:
        ConfigError: there is no such command or option, or an option cannot have this value.
        SystemExit: `--help` was given, and help has been printed.
    """
    first = argv[0] if argv else "--"
    if not first.startswith("-") and first not in COMMANDS:
        raise ConfigError(
            f"There is no command {first!r}.{nearest(first, COMMANDS)} "
            f"Give {', '.join(COMMANDS)}, or none for the tour."
        )
    has_command = first in (*COMMANDS, "-h", "--help")
    return _make_parser().parse_args([*argv] if has_command else ["tour", *argv])


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:  # argparse itself would also print the usage
        raise ConfigError(f"{message.removesuffix('.')}. See `{self.prog} --help`.")


def _make_parser() -> _Parser:
    parser = _Parser(
        prog="python -m minicache",
        description="Look inside a transformer. No command means the tour, with its options.",
        epilog="Each command has a --help of its own.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (purpose, add_options) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=f"{purpose.capitalize()}.")
        add_options(command)
    return parser


def _add_tour(parser: ArgumentParser) -> None:
    parser.add_argument("--prompt", help=f"words that the model knows (default: {PROMPT!r})")
    parser.add_argument("--answer", help="the word to explain (default: the likeliest next word)")
    parser.add_argument("--versus", help="explain the answer's logit less this word's")
    _add_model(parser)
    _add_output(parser, "draw the attribution of each head")


def _add_patch(parser: ArgumentParser) -> None:
    parser.add_argument("clean", help="the prompt whose activations are put in")
    parser.add_argument("corrupted", help="the prompt that is run, of the same length in tokens")
    parser.add_argument("--answer", help="the clean prompt's next word (default: the likeliest)")
    parser.add_argument("--versus", help="the corrupted prompt's (default: the likeliest)")
    _add_model(parser)
    _add_output(parser, "draw the sweep over the stream, layer by word")


def _add_memory(parser: ArgumentParser) -> None:
    parser.add_argument("--batch", type=_whole_number(), default=32, help="items (default: 32)")
    parser.add_argument("--pos", type=_whole_number(), help="tokens in each item (default: n_ctx)")
    parser.add_argument(
        "--cuda-report", type=Path, metavar="FOLDER", help="write torch's own report (CUDA only)"
    )
    _add_model(parser)
    _add_output(parser, "draw bytes over the batch size and the layers")


def _add_train(parser: ArgumentParser) -> None:
    out = Path("trained")
    parser.add_argument(
        "--out", type=Path, default=out, help="the folder to write (default: trained)"
    )
    parser.add_argument("--layers", type=_whole_number(), default=3, help="default: 3")
    parser.add_argument("--seed", type=_whole_number(0, 2**63 - 1), default=0, help="default: 0")
    parser.add_argument("--steps", type=_whole_number(), default=5000, help="default: 5000")


def _add_harvest(parser: ArgumentParser) -> None:
    parser.epilog = (
        "After a kill, run the same command again. For more processes: "
        "torchrun --nproc-per-node 4 -m minicache harvest .."
    )
    parser.add_argument("data", help="a text file (an item on each line), .jsonl, or a data set")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument(
        "--names", nargs="+", required=True, help="q3, resid_post2, 'blocks.*.hook_z', .."
    )
    parser.add_argument("--field", default="text", help="the field with the text (default: text)")
    parser.add_argument("--split", default="train", help="which split to read (default: train)")
    parser.add_argument("--subset", help="which subset of a data set on the hub to read")
    parser.add_argument(
        "--pos", type=_whole_number(), help="the most tokens of an item (default: n_ctx)"
    )
    parser.add_argument(
        "--batch", type=_whole_number(), default=32, help="items run at once (default: 32)"
    )
    parser.add_argument("--items-per-shard", type=_whole_number(), default=256, help="default: 256")
    parser.add_argument(
        "--dtype", default="float32", help="dtype of the files: float32 (default), bfloat16, .."
    )
    parser.add_argument("--dry-run", action="store_true", help="print the cost, and write nothing")
    _add_model(parser, "where to run; with torchrun, 'cuda' gives each process its own GPU")


def _add_model(parser: ArgumentParser, device: str = "where to run (default: cpu)") -> None:
    parser.add_argument(
        "--model", help="a folder, or a name on the hub (default: the shipped model)"
    )
    parser.add_argument("--revision", help="a branch, tag or commit of a model on the hub")
    parser.add_argument("--device", default="cpu", help=device)


def _add_output(parser: ArgumentParser, picture: str) -> None:
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--plot", type=_svg_file, metavar="FILE.svg", help=picture)


COMMANDS: Final[dict[str, tuple[str, Callable[[ArgumentParser], None]]]] = {
    "tour": ("take a trained model apart on one prompt (the default)", _add_tour),
    "patch": ("patch one prompt's run into another's, place by place", _add_patch),
    "memory": ("measure the bytes that autodiff keeps, by every method", _add_memory),
    "train": ("train the model that ships with minicache", _add_train),
    "harvest": ("write the activations of a whole data set to files", _add_harvest),
}


def _whole_number(least: int = 1, most: int = LARGEST) -> Callable[[str], int]:
    """Make a type for argparse: a whole number from `least` to `most`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            given = clip(text, 30)
            raise ArgumentTypeError(f"{given!r}: give a whole number from {least} to {most}")
        return value

    return read


def _svg_file(text: str) -> Path:
    file = Path(text)
    if file.suffix.lower() != ".svg":
        raise ArgumentTypeError(f"plots are SVG files, and {text!r} does not end with .svg")
    if not file.parent.is_dir():
        raise ArgumentTypeError(f"there is no folder '{file.parent}'")
    return file


def parse_device(name: str) -> torch.device:
    """Read the device that `--device` names, and check that it can be used.

    Raises:
        ConfigError: this machine has no such device, or the device stores no values (`meta`).
    """
    from minicache.devices import usable_device

    try:
        return usable_device(name)
    except ArgumentValueError as error:
        raise ConfigError(f"--device {clip(name, 30)}: {error}") from None


def load_model(args: Namespace) -> HookedTransformer:
    """Load the model that `--model` and `--revision` name onto `--device`.

    Raises:
        ConfigError: this machine has no such device. It is checked before the model is loaded.
        ModelFileError: there is no such model.
    """
    device = parse_device(args.device)
    from minicache.model import HookedTransformer

    return HookedTransformer.from_pretrained(args.model, args.revision).to(device)


class Screen(Console):
    """A rich console that lets `main` handle a closed pipe. Rich's own ends with status 1."""

    def on_broken_pipe(self) -> None:
        raise  # rich calls this while it handles the BrokenPipeError


def clip(text: str, most: int = 1000) -> str:
    """Put a text on one line, and leave out its middle if it is longer than `most` characters."""
    line = " ".join(text.splitlines())
    return line if len(line) <= most else f"{line[: most // 2]} .. {line[-most // 2 :]}"
