"""Read the files of a model's folder: nothing outside it, shapes before values, and no code.

A folder may come from anywhere. So a file is a plain name in it, a link may not lead out of it, a
text file has a size that such files have, and a tensor's shape is read from the header of its
file: `check` sees all shapes, on torch's device "meta", before memory is taken for the values.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from minicache.errors import ModelFileError

__all__ = ["Weights", "find", "load_safetensors", "load_torch", "read_json", "read_text"]

Weights = dict[str, Tensor]
LARGEST: Final = 4_000_000
"""Bytes of a configuration, a list of words or a header. Those of real models have far fewer."""

DTYPES: Final = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool, "C64": torch.complex64,
}  # fmt: skip


def find(folder: Path, name: str, most: int | None = None) -> Path | None:
    """The file of this name in a folder, or None if it is not there.

    Args:
        most: Bytes that it may have.

    Raises:
        ModelFileError: the name is no plain file name, or a link there leads out of the folder, or
            the file is too large.
    """
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0"):
        raise ModelFileError(f"{name!r:.80} is no name of a file in '{folder}'.")
    try:
        file, home = (folder / name).resolve(), folder.resolve()
        there = file.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, not to be encoded, a loop of links
        raise ModelFileError(f"{name!r:.80} cannot be looked up in '{folder}'.") from None
    # The hub's cache keeps a snapshot's files as links to blobs beside all the snapshots.
    blobs = home.parent.parent / "blobs" if home.parent.name == "snapshots" else home
    if not there:
        return None
    if not file.is_relative_to(home) and file.parent != blobs:
        raise ModelFileError(f"'{folder / name}' is a link out of its folder. It was not opened.")
    if most is not None and file.stat().st_size > most:
        raise ModelFileError(f"'{folder / name}' has more than {most:,} bytes. It was not read.")
    return file


def read_text(folder: Path, name: str) -> str:
    """A text file of the folder.

    Raises:
        ModelFileError: it is missing, too large, or not text in UTF-8.
    """
    file = find(folder, name, LARGEST)
    if file is None:
        raise ModelFileError(f"There is no model at '{folder}': the file {name} is missing.")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ModelFileError(f"'{folder / name}' cannot be read: {error}") from None


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object of the folder.

    Raises:
        ModelFileError: it is missing, too large, or no JSON object. NaN and Infinity are no JSON.
    """

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not valid JSON")

    text = read_text(folder, name)
    try:
        value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"'{folder / name}' cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise ModelFileError(f"'{folder / name}' should hold a JSON object.")
    return value


def load_safetensors(files: Sequence[Path], check: Callable[[Weights], object]) -> Weights:
    """The tensors of these files, once `check` has seen their shapes and dtypes.

    Raises:
        ModelFileError: a file is damaged, or a name stands in two of them.
        Exception: what `check` raises. No values have been read then.
    """
    shapes: Weights = {}
    try:
        for file in files:
            found = _shapes(file)
            if twice := found.keys() & shapes.keys():
                raise ModelFileError(
                    f"'{file}' has a tensor {min(twice)!r:.80}, and another file has one too."
                )
            shapes |= found
    except ModelFileError:
        raise
    except Exception as error:  # the package raises its own, and whatever a shape makes torch raise
        raise ModelFileError(f"'{file}' cannot be read: {error!s:.200}") from None
    check(shapes)
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def _shapes(file: Path) -> Weights:
    with file.open("rb") as opened:
        header = int.from_bytes(opened.read(8), "little")
    if header > LARGEST:
        raise ModelFileError(f"'{file}' cannot be read: it has a header of {header:,} bytes.")
    shapes = {}
    with safe_open(file, "pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118  # it is no dict
            part = tensors.get_slice(name)
            if (code := part.get_dtype()) not in DTYPES:
                raise ValueError(
                    f"{name!r:.80} is {code}, and weights are floats of 16 bits or more"
                )
            shapes[name] = torch.empty(part.get_shape(), dtype=DTYPES[code], device="meta")
    return shapes


def load_torch(file: Path, check: Callable[[Weights], object]) -> Weights:
    """The tensors of a file by `torch.save`. It is read as data only, and `check` sees it first.

    Raises:
        ModelFileError: it is damaged, or holds more than named tensors. Nothing in it has run.
    """
    try:
        if zipfile.is_zipfile(file):  # uncompressed only: compressed, it could fill all memory
            with zipfile.ZipFile(file) as parts:
                if any(part.file_size > part.compress_size for part in parts.infolist()):
                    raise ValueError("its parts are compressed")
        loaded = torch.load(file, "cpu", weights_only=True)
        if not isinstance(loaded, dict) or not all(map(_is_plain, loaded.items())):
            raise ValueError("it holds something else than tensors with names")
        shapes = {name: tensor.to("meta") for name, tensor in loaded.items()}
    except Exception as error:  # a file that is no pickle may raise any exception
        reason = str(error).partition("\n")[0]
        raise ModelFileError(
            f"'{file}' is damaged, or holds more than weights. It was not run: {reason:.200}"
        ) from None
    check(shapes)
    return dict(loaded)


def _is_plain(entry: tuple[object, object]) -> bool:
    """Whether this is a name with a dense tensor whose storage has room for every entry."""
    name, tensor = entry
    return (
        isinstance(name, str)
        and isinstance(tensor, Tensor)
        and tensor.layout == torch.strided
        and not tensor.is_nested
        and not tensor.is_quantized
        and tensor.nbytes <= tensor.untyped_storage().nbytes()
    )
