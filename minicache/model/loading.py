"""Load and save a model's folder: its configuration, its weights and its tokenizer.

A folder in minicache's format has `config.json`, `model.safetensors` and `words.txt`.
`huggingface.py` reads folders in Hugging Face's. In both, the shapes that the configuration asks
for are compared with those in the files, before memory is taken for weights. No model is built
here.

One folder ships inside the package: the model of every lesson. Lesson 1 introduces it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Size

from minicache.errors import ArgumentTypeError, ConfigError, ModelFileError, TokenError
from minicache.model import files, hub, huggingface
from minicache.model.config import HookedTransformerConfig
from minicache.model.files import Weights
from minicache.model.layers import Embed, LayerNorm, PosEmbed, TransformerBlock, Unembed
from minicache.model.tokenizers import HubTokenizer, Tokenizer, WordTokenizer

__all__ = ["SHIPPED", "Parts", "load_parts", "save_parts", "weight_shapes"]

SHIPPED = Path(__file__).parent / "tiny"
CONFIG, WEIGHTS, WORDS = "config.json", "model.safetensors", "words.txt"
TOKENIZER: Final = "tokenizer.json"
FLOATS: Final = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


class Parts(NamedTuple):
    """The contents of a model's folder: its configuration, weights by name, and tokenizer."""

    config: dict[str, Any]
    weights: Weights
    tokenizer: Tokenizer | None


def load_parts(name_or_path: str | Path | None = None, revision: str | None = None) -> Parts:
    """Read a model's folder. With no argument, the one that ships inside the package.

    Args:
        name_or_path: A folder in minicache's format or in Hugging Face's, an alias (`gpt2`), or a
            name on the hub (`owner/name`).
        revision: A branch, a tag or a commit, for a model on the hub.

    Raises:
        ModelFileError: there is no such model, or its files are missing, damaged, or do not fit
            together. No file outside the folder has been opened.
        MissingPackageError: the extra `hub` is not installed, and the model needs it.
    """
    folder = _find_folder(name_or_path, revision)
    try:
        config = files.read_json(folder, CONFIG)
        if "model_type" in config:
            return _read_hub_parts(folder, config)
        return _read_own_parts(folder, config)
    except (ConfigError, TokenError) as error:
        raise ModelFileError(
            f"The files of the model at '{folder}' do not fit together: {error}"
        ) from None


def _find_folder(name_or_path: str | Path | None, revision: str | None) -> Path:
    if name_or_path is None:
        return SHIPPED
    if not isinstance(name_or_path, str | Path):
        raise ArgumentTypeError(
            f"name_or_path is a folder or a name, and not {name_or_path!r:.80}."
        )
    folder = Path(name_or_path)
    try:
        is_folder = folder.is_dir() and str(name_or_path) != ""
    except (OSError, ValueError):  # too long, or not encodable
        is_folder = False
    if is_folder:
        return folder
    if hub.is_name(str(name_or_path)) and isinstance(name_or_path, str):
        return hub.fetch(name_or_path, revision)
    raise ModelFileError(
        f"There is no model at '{name_or_path!s:.200}'. Give a folder with {CONFIG}, {WEIGHTS} and "
        f"{WORDS}, a folder in Hugging Face's format, or nothing for the shipped model."
    )


def _read_own_parts(folder: Path, config: dict[str, Any]) -> Parts:
    tokenizer = WordTokenizer(files.read_text(folder, WORDS).split())
    weights = files.find(folder, WEIGHTS)
    if weights is None:
        raise ModelFileError(f"There is no model at '{folder}': the file {WEIGHTS} is missing.")
    cfg = _make_config(config)
    if cfg.d_vocab != len(tokenizer.words):
        raise ConfigError(
            f"{WORDS} has {len(tokenizer.words)} words, and d_vocab={cfg.d_vocab} in {CONFIG}."
        )
    loaded = files.load_safetensors([weights], lambda shapes: _check_weights(cfg, shapes))
    return Parts(config, loaded, tokenizer)


def _read_hub_parts(folder: Path, config: dict[str, Any]) -> Parts:
    def check(shapes: Weights) -> None:
        ours, converted = huggingface.convert(config, shapes)
        _check_weights(_make_config(ours), converted)

    weights = huggingface.read_weights(folder, check)
    ours, converted = huggingface.convert(config, weights)
    file = files.find(folder, TOKENIZER, 4 * files.LARGEST)
    if file is None:
        return Parts(ours, converted, None)
    bos, eos = (
        _read_special_token(config, f"{kind}_token_id", ours["d_vocab"]) for kind in ("bos", "eos")
    )
    return Parts(ours, converted, HubTokenizer(file, bos, eos))


def _read_special_token(config: dict[str, Any], name: str, d_vocab: int) -> int | None:
    """Read a special token's id, or None. GPT-2 and GPT-Neo use 50256 if there is no entry."""
    default = 50256 if d_vocab > 50256 else None
    token = config.get(name, default)
    if token is None or (type(token) is int and 0 <= token < d_vocab):
        return token
    raise ConfigError(f"{name}={token!r:.80}, and the vocabulary has tokens 0 to {d_vocab - 1}.")


def _make_config(config: dict[str, Any]) -> HookedTransformerConfig:
    try:
        return HookedTransformerConfig(**config)
    except TypeError as error:  # an argument is missing
        reason = str(error).removeprefix("HookedTransformerConfig.__init__() ")
        raise ConfigError(f"{CONFIG}: {reason:.200}") from None


def weight_shapes(cfg: HookedTransformerConfig) -> dict[str, Size]:
    """List the name and shape of every weight of a model. No memory is taken for weights."""
    with torch.device("meta"):
        whole = {
            "embed": Embed(cfg),
            "pos_embed": PosEmbed(cfg),
            "ln_final": LayerNorm(cfg.d_model, cfg.eps),
            "unembed": Unembed(cfg),
        }
        block = TransformerBlock(cfg, 0).state_dict()
    shapes = {
        f"{part}.{name}": tensor.shape
        for part, module in whole.items()
        for name, tensor in module.state_dict().items()
    }
    for layer in range(cfg.n_layers):
        shapes |= {f"blocks.{layer}.{name}": tensor.shape for name, tensor in block.items()}
    return shapes


def _check_weights(cfg: HookedTransformerConfig, weights: Weights) -> None:
    """Check that the files' weights have the names, shapes and dtypes that `cfg` asks for."""
    n_layers = len({name.split(".")[1] for name in weights if name.startswith("blocks.")})
    if n_layers != cfg.n_layers:  # checked first: a file could ask for a million layers
        raise ConfigError(f"n_layers={cfg.n_layers}, and there are weights of {n_layers} layers.")
    try:
        expected = weight_shapes(cfg)
    except (RuntimeError, TypeError, OverflowError):  # a size that no tensor can have
        raise ConfigError(f"the sizes in {CONFIG} are larger than any tensor can be.") from None
    constants = (".attn.mask", ".attn.IGNORE")  # TransformerLens keeps them among the weights
    given = {name: weight for name, weight in weights.items() if not name.endswith(constants)}
    for name in sorted(expected.keys() ^ given.keys()):
        problem = "is missing" if name in expected else "is no weight of this model"
        raise ConfigError(f"the weight {name!r:.80} {problem}.")
    for name, weight in given.items():
        if weight.shape != expected[name]:
            raise ConfigError(
                f"{name} is {list(weight.shape)}, and the configuration asks for "
                f"{list(expected[name])}."
            )
        if weight.dtype not in FLOATS:
            raise ConfigError(f"{name} is {weight.dtype}, and weights are floating-point.")


def save_parts(folder: str | Path, parts: Parts) -> None:
    """Write a model's folder, so that `load_parts` reads the same parts back.

    Raises:
        TokenError: the tokenizer is no `WordTokenizer`, the only kind that this format can hold.
    """
    if not isinstance(parts.tokenizer, WordTokenizer):
        raise TokenError(
            f"minicache's format can hold a WordTokenizer only, and not {parts.tokenizer!r:.80}."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(parts.config, indent=2) + "\n", encoding="utf-8")
    (folder / WORDS).write_text("\n".join(parts.tokenizer.words) + "\n", encoding="utf-8")
    save_file(
        {name: tensor.contiguous() for name, tensor in parts.weights.items()}, folder / WEIGHTS
    )
