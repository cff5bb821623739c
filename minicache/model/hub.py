"""Download a model's folder from the Hugging Face hub, by its name or an alias.

The package `huggingface_hub` does the download, and keeps its own cache and token. Only the files
that `huggingface.py` reads are downloaded, and none of them is code.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from minicache.errors import ModelFileError, optional

__all__ = ["ALIASES", "fetch", "is_name"]

ALIASES: Final = {
    "gpt2": "openai-community/gpt2",
    "gpt2-small": "openai-community/gpt2",
    "gpt2-medium": "openai-community/gpt2-medium",
    "gpt2-large": "openai-community/gpt2-large",
    "gpt2-xl": "openai-community/gpt2-xl",
    "distilgpt2": "distilbert/distilgpt2",
    **{f"tiny-stories-{size}": f"roneneldan/TinyStories-{size}" for size in ("1M", "3M", "8M")},
    **{f"tiny-stories-{size}": f"roneneldan/TinyStories-{size}" for size in ("28M", "33M")},
}
WANTED: Final = [
    "config.json",
    "*.safetensors",
    "*.index.json",
    "pytorch_model.bin",
    "tokenizer.json",
]


def is_name(name: str) -> bool:
    """Return whether this could be a name on the hub: an alias of a model, or `owner/name`."""
    return name in ALIASES or re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) is not None


def fetch(name: str, revision: str | None = None) -> Path:
    """Download a model from the hub, unless it is in the hub's cache, and return its folder.

    Args:
        name: An alias such as `gpt2`, or `owner/name`.
        revision: A branch, a tag or a commit.

    Raises:
        ModelFileError: the hub has no such model, or cannot be reached.
        MissingPackageError: the extra `hub` is not installed.
    """
    hub = optional("huggingface_hub", "hub")
    try:
        return Path(
            hub.snapshot_download(ALIASES.get(name, name), revision=revision, allow_patterns=WANTED)
        )
    except (OSError, ValueError, hub.errors.HfHubHTTPError) as error:
        raise ModelFileError(
            f"'{name}' is no folder here, and could not be fetched from the hub: "
            f"{str(error).strip().partition(chr(10))[0]}. Aliases: {', '.join(ALIASES)}."
        ) from error
