"""Load and save a model's folder: its configuration, its weights and its tokenizer.

A folder holds three files, and this module reads them: `config.json`, `model.safetensors` and
`words.txt`. It returns parts and builds no model, so it stands above `model.py`. Loading never runs
code from a file: JSON and safetensors hold data only.

One folder ships inside the package. It is the patient of every lesson. Lesson 1 tells its story.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from minicache.errors import (
    ConfigError,
    MinicacheError,
    ModelFileError,
)
from minicache.model import huggingface
from minicache.model.tokenizers import HubTokenizer, WordTokenizer

__all__ = ["SHIPPED", "Parts", "load_parts", "save_parts"]

SHIPPED = Path(__file__).parent / "tiny"
CONFIG, WEIGHTS, WORDS = "config.json", "model.safetensors", "words.txt"


class Parts(NamedTuple):
    """What a model is made of: its configuration, its weights by name, and its tokenizer."""

    config: dict[str, Any]
    weights: dict[str, Tensor]
    tokenizer: Any


def load_parts(name_or_path: str | Path | None = None, revision: str | None = None) -> Parts:
    """Read a model's folder. With no argument, the one that ships inside the package.

    Args:
        name_or_path: A folder of ours, a folder in Hugging Face's format, an alias (`gpt2`), or a
            name on the hub (`owner/name`).
        revision: Of a model on the hub: a branch, a tag or a commit.

    Raises:
        ModelFileError: there is no such model, or one of its files is missing or damaged.
        MissingPackageError: the extra `hub` is needed.
    """
    folder = SHIPPED if name_or_path is None else Path(name_or_path)
    if isinstance(name_or_path, str) and not folder.exists() and huggingface.is_name(name_or_path):
        folder = huggingface.fetch(name_or_path, revision)
    if (hub_config := _hub_config(folder)) is not None:
        return _hub_parts(folder, hub_config)
    for file in (CONFIG, WEIGHTS, WORDS):
        if not (folder / file).is_file():
            raise ModelFileError(
                f"There is no model at '{folder}': the file {file} is missing. A model is a folder "
                f"with {CONFIG}, {WEIGHTS} and {WORDS}; with no name, the shipped model is loaded."
            )
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
        tokenizer = WordTokenizer((folder / WORDS).read_text(encoding="utf-8").split())
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelFileError(f"The model at '{folder}' cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise ModelFileError(f"'{folder / CONFIG}' should hold a JSON object.")
    return Parts(config, weights, tokenizer)


def _hub_config(folder: Path) -> dict[str, Any] | None:
    """The configuration, if it is in Hugging Face's words: those name a model_type."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) and "model_type" in config else None


def _hub_parts(folder: Path, config: dict[str, Any]) -> Parts:
    try:
        ours, weights = huggingface.convert(config, huggingface.read_weights(folder))
        file, bos = folder / "tokenizer.json", config.get("bos_token_id") or 0
        tokenizer = HubTokenizer(file, bos) if file.is_file() else None
    except (OSError, ValueError, KeyError, AttributeError, SafetensorError) as error:
        if isinstance(error, MinicacheError) and not isinstance(error, ConfigError):
            raise
        raise ModelFileError(f"The model at '{folder}' cannot be read: {error}") from error
    return Parts(ours, weights, tokenizer)


def save_parts(folder: str | Path, parts: Parts) -> None:
    """Write a model's folder, so that `load_parts` reads the same parts back."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(parts.config, indent=2) + "\n", encoding="utf-8")
    (folder / WORDS).write_text("\n".join(parts.tokenizer.words) + "\n", encoding="utf-8")
    save_file(
        {name: tensor.contiguous() for name, tensor in parts.weights.items()}, folder / WEIGHTS
    )
