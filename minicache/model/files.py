"""Read the files of a model's folder: nothing outside it, shapes before values, and no code.

A folder may come from anywhere, so nothing in it is trusted. A file is given by a plain name, a
link may not lead out of the folder, and a text file may not be huge. Shapes are read from the
headers of the files first. The caller's `check` gets them as tensors on torch's device "meta", and
may refuse them before memory is taken for the values.
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
"""The most bytes of a configuration, a list of words or a header. Real ones have far fewer."""

DTYPES: Final = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool, "C64": torch.complex64,
}  # fmt: skip


def find(folder: Path, name: str, most: int | None = None) -> Path | None:
    """Find the file of this name in a folder. Returns None if there is none.

    Args:
        most: The most bytes that the file may have.

    Raises:
        ModelFileError: `name` is no plain file name, or the file is a link out of the folder, or
            too large.
    """
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0"):
        raise ModelFileError(
            f"{name!r:.80} is not the plain name of a file, so it was not opened in '{folder}'."
        )
    try:
        file, real_folder = (folder / name).resolve(), folder.resolve()
        exists = file.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, not encodable, or a loop of links
        raise ModelFileError(f"{name!r:.80} cannot be looked up in '{folder}'.") from None
    # The hub's cache keeps files as links: snapshots/COMMIT/FILE points to blobs/HASH.
    snapshots = real_folder.parent
    blobs = snapshots.parent / "blobs" if snapshots.name == "snapshots" else real_folder
    if not exists:
        return None
    if not file.is_relative_to(real_folder) and file.parent != blobs:
        raise ModelFileError(
            f"'{folder / name}' is a link out of its folder, so it was not opened. Copy the file "
            f"into the folder."
        )
    if most is not None and file.stat().st_size > most:
        raise ModelFileError(
            f"'{folder / name}' has more than {most:,} bytes, so it was not read: such a file of a "
            f"real model is smaller."
        )
    return file


def read_text(folder: Path, name: str) -> str:
    """Read a text file of the folder.

    Raises:
        ModelFileError: the file is missing, too large, or not text in UTF-8.
    """
    file = find(folder, name, LARGEST)
    if file is None:
        raise ModelFileError(f"There is no model at '{folder}': the file {name} is missing.")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ModelFileError(f"'{folder / name}' cannot be read: {error}") from None


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON file of the folder that holds an object.

    Raises:
        ModelFileError: the file is missing, too large, not valid JSON (NaN and Infinity are not),
            or holds something else than an object.
    """

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not valid JSON")

    text = read_text(folder, name)
    try:
        value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"'{folder / name}' cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise ModelFileError(
            f"'{folder / name}' should hold a JSON object, and holds {type(value).__name__}."
        )
    return value


def load_safetensors(files: Sequence[Path], check: Callable[[Weights], object]) -> Weights:
    """Load the tensors of these files, after `check` has accepted their shapes and dtypes.

    Raises:
        ModelFileError: a file is damaged, or two files have a tensor of the same name.
        Exception: whatever `check` raises. No values have been read then.
    """
    shapes: Weights = {}
    try:
        for file in files:
            found = _read_shapes(file)
            if repeated := found.keys() & shapes.keys():
                raise ModelFileError(
                    f"'{file}' has a tensor {min(repeated)!r:.80}, and another file of this model "
                    f"has one of the same name."
                )
            shapes |= found
    except ModelFileError:
        raise
    except Exception as error:  # safetensors raises a class of its own; a bad shape, any of torch's
        raise ModelFileError(f"'{file}' cannot be read: {error!s:.200}") from None
    check(shapes)
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def _read_shapes(file: Path) -> Weights:
    """Read the header of a safetensors file, as tensors without values."""
    with file.open("rb") as opened:
        header_size = int.from_bytes(opened.read(8), "little")
    if header_size > LARGEST:
        raise ModelFileError(f"'{file}' cannot be read: it has a header of {header_size:,} bytes.")
    shapes = {}
    with safe_open(file, "pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118  # a safe_open is not iterable
            part = tensors.get_slice(name)
            if (code := part.get_dtype()) not in DTYPES:
                raise ValueError(
                    f"{name!r:.80} is {code}, and weights are floats of 16 bits or more"
                )
            shapes[name] = torch.empty(part.get_shape(), dtype=DTYPES[code], device="meta")
    return shapes


def load_torch(file: Path, check: Callable[[Weights], object]) -> Weights:
    """Load the tensors of a file that `torch.save` wrote, after `check` has accepted their shapes.

    Raises:
        ModelFileError: the file is damaged, or holds something else than named tensors. No code
            from it has run.
        Exception: whatever `check` raises.
    """
    try:
        if zipfile.is_zipfile(file):  # a small compressed file could fill all memory
            with zipfile.ZipFile(file) as parts:
                if any(part.file_size > part.compress_size for part in parts.infolist()):
                    raise ValueError("its parts are compressed")
        loaded = torch.load(file, "cpu", weights_only=True)
        if not isinstance(loaded, dict) or not all(map(_is_plain, loaded.items())):
            raise ValueError("it holds something else than named tensors")
        shapes = {name: tensor.to("meta") for name, tensor in loaded.items()}
    except Exception as error:  # a file that is no pickle may raise any exception
        reason = str(error).partition("\n")[0]
        raise ModelFileError(
            f"'{file}' is damaged, or holds more than weights. No code from it has run. "
            f"{reason:.200}"
        ) from None
    check(shapes)
    return dict(loaded)


def _is_plain(entry: tuple[object, object]) -> bool:
    """Return whether this is a name and a dense tensor whose storage holds all of its entries."""
    name, tensor = entry
    return (
        isinstance(name, str)
        and isinstance(tensor, Tensor)
        and tensor.layout == torch.strided
        and not tensor.is_nested
        and not tensor.is_quantized
        and tensor.nbytes <= tensor.untyped_storage().nbytes()
    )
