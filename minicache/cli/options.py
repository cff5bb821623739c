"""Parse and check the command line's options: each command's, and those that several share.

Nothing here imports torch before a command runs, so that `--help` and a misspelt option answer at
once. A new command is one line in `COMMANDS`, a function that adds its options, and a module
`minicache/cli/NAME.py` with `run(args)`, which returns the exit status.
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
LARGEST: Final = 2**31 - 1  # of a size: nothing that fits a machine is larger


def parse(argv: Sequence[str]) -> Namespace:
    """The command asked for, as `.command`, and its options. With no command, the tour's.

    Raises:
        ConfigError: there is no such command or option, or a value does not fit.
        SystemExit: help was asked for, and has been printed.
    """
    first = argv[0] if argv else "--"
    if not first.startswith("-") and first not in COMMANDS:
        raise ConfigError(
            f"There is no command {first!r}.{nearest(first, COMMANDS)} "
            f"Give {', '.join(COMMANDS)}, or none for the tour."
        )
    named = first in (*COMMANDS, "-h", "--help")
    return _parser().parse_args([*argv] if named else ["tour", *argv])


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:  # argparse would print a page of usage before it
        raise ConfigError(f"{message.removesuffix('.')}. See `{self.prog} --help`.")


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m minicache",
        description="Look inside a transformer. No command means the tour, with its options.",
        epilog="Each command has a --help of its own.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (what, add_options) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=f"{what.capitalize()}.")
        add_options(command)
    return parser


def _tour(parser: ArgumentParser) -> None:
    parser.add_argument("--prompt", help=f"words that the model knows (default: {PROMPT!r})")
    parser.add_argument("--answer", help="the word to explain (default: the likeliest next word)")
    parser.add_argument("--versus", help="explain the answer's logit less this word's")
    _add_model(parser)
    _add_output(parser, "draw what each head adds")


def _patch(parser: ArgumentParser) -> None:
    parser.add_argument("clean", help="the prompt whose activations are put in")
    parser.add_argument("corrupted", help="the prompt that is run; of the same length")
    parser.add_argument("--answer", help="the clean next word (default: the likeliest)")
    parser.add_argument("--versus", help="the corrupted next word (default: the likeliest)")
    _add_model(parser)
    _add_output(parser, "draw the stream's sweep, layer by word")


def _memory(parser: ArgumentParser) -> None:
    parser.add_argument("--batch", type=_whole(), default=32, help="items (default: 32)")
    parser.add_argument("--pos", type=_whole(), help="tokens an item (default: the whole context)")
    parser.add_argument("--cuda-report", type=Path, metavar="FOLDER", help="torch's own report")
    _add_model(parser)
    _add_output(parser, "draw bytes against batch and layers")


def _train(parser: ArgumentParser) -> None:
    out = Path("trained")
    parser.add_argument("--out", type=Path, default=out, help="the folder (default: trained)")
    parser.add_argument("--layers", type=_whole(), default=3, help="default: 3")
    parser.add_argument("--seed", type=_whole(0, 2**63 - 1), default=0, help="default: 0")
    parser.add_argument("--steps", type=_whole(), default=5000, help="default: 5000")


def _harvest(parser: ArgumentParser) -> None:
    parser.epilog = (
        "After a kill, run the same command again. For more processes: "
        "torchrun --nproc-per-node 4 -m minicache harvest .."
    )
    names = "q3, resid_post2, 'blocks.*.hook_z', .."
    parser.add_argument("data", help="a text file (an item a line), .jsonl, or a data set")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--names", nargs="+", required=True, help=names)
    parser.add_argument("--field", default="text", help="where a row keeps its text")
    parser.add_argument("--split", default="train", help="of a data set with several")
    parser.add_argument("--subset", help="of a data set on the hub with several")
    parser.add_argument("--pos", type=_whole(), help="the most tokens of an item (default: n_ctx)")
    parser.add_argument("--batch", type=_whole(), default=32, help="items run at once")
    parser.add_argument("--items-per-shard", type=_whole(), default=256, help="default: 256")
    parser.add_argument(
        "--dtype", default="float32", help="of what is written: float32 (default), bfloat16, .."
    )
    parser.add_argument("--dry-run", action="store_true", help="say what it would cost")
    _add_model(parser, "where to run; 'cuda' spreads processes (default: cpu)")


def _add_model(parser: ArgumentParser, device: str = "where to run (default: cpu)") -> None:
    parser.add_argument(
        "--model", help="a folder, or a name on the hub (default: the shipped model)"
    )
    parser.add_argument("--revision", help="of a model on the hub: a branch, a tag or a commit")
    parser.add_argument("--device", default="cpu", help=device)


def _add_output(parser: ArgumentParser, picture: str) -> None:
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--plot", type=_svg, metavar="FILE.svg", help=picture)


COMMANDS: Final[dict[str, tuple[str, Callable[[ArgumentParser], None]]]] = {
    "tour": ("take a trained model apart on one prompt (the default)", _tour),
    "patch": ("patch one prompt's run into another's, place by place", _patch),
    "memory": ("measure what autodiff keeps, by every method", _memory),
    "train": ("train the model that ships with minicache", _train),
    "harvest": ("write the activations of a whole data set to files", _harvest),
}


def _whole(least: int = 1, most: int = LARGEST) -> Callable[[str], int]:
    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            given = clip(text, 30)
            raise ArgumentTypeError(f"{given!r}: give a whole number from {least} to {most}")
        return value

    return number


def _svg(text: str) -> Path:
    file = Path(text)
    if file.suffix.lower() != ".svg":
        raise ArgumentTypeError(f"plots are SVG files, and {text!r} does not end with .svg")
    if not file.parent.is_dir():
        raise ArgumentTypeError(f"there is no folder '{file.parent}'")
    return file


def parse_device(name: str) -> torch.device:
    """The device that `--device` names, if this machine has it and it keeps values.

    Raises:
        ConfigError: there is no such device here, or it keeps no values.
    """
    from minicache.devices import usable_device

    try:
        return usable_device(name)
    except ArgumentValueError as error:
        raise ConfigError(f"--device {clip(name, 30)}: {error}") from None


def load_model(args: Namespace) -> HookedTransformer:
    """The model that `--model` and `--revision` name, on `--device`. The device is checked first.

    Raises:
        ConfigError: there is no such device.
        ModelFileError: there is no such model.
    """
    device = parse_device(args.device)
    from minicache.model import HookedTransformer

    return HookedTransformer.from_pretrained(args.model, args.revision).to(device)


class Screen(Console):
    """A rich console that leaves a closed pipe to `main`. Rich's own ends the process with 1."""

    def on_broken_pipe(self) -> None:
        raise  # rich calls this inside its except block


def clip(text: str, most: int = 1000) -> str:
    """A text on one line, with its middle left out if it is longer than `most` characters."""
    line = " ".join(text.splitlines())
    return line if len(line) <= most else f"{line[: most // 2]} .. {line[-most // 2 :]}"
