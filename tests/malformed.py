"""Makes model folders that are wrong in one way each, from right ones in every format."""

from __future__ import annotations

import json
import os
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from minicache.model.loading import Parts, save_parts
from minicache.model.tokenizers import WordTokenizer
from tests.checkpoints import GPT2, NEO, write_checkpoint
from tests.worlds import random_model

NUMBERS = [0, -1, 2.5, True, "2", [], {}, 10**6, 10**12, 10**30, "x" * 5000]
FLAGS = ["false", 1, None, [], 2.5]
WRONG: dict[str, list[Any]] = {
    **{key: [*NUMBERS, None, 3] for key in ("n_layers", "d_model", "n_ctx", "d_head", "d_vocab")},
    **{key: [*NUMBERS, 5] for key in ("n_heads", "d_mlp")},
    **dict.fromkeys(("attn_only", "use_attn_scale"), FLAGS),
    "eps": [0, -1, "1", None, True, [], float("nan"), 1e309],
    "init_range": [0, -1, "1", True, [], float("nan"), 1e309],
    "act_fn": ["swish", None, 0, [], {}, "x" * 5000],
    "attn_types": ["local", ["local"], [1, 2], ["globl"] * 2, {}, 3, [["local"]] * 2],
    "window_size": [0, -1, 2.5, True, "3", [], None],
    "seed": [2.5, "0", [], 10**30],
    "nonsense": [0],
}
HUB_WRONG: dict[str, list[Any]] = {
    "model_type": ["llama", "", None, 3, [], {}],
    **{key: [*NUMBERS, None, 3] for key in ("n_layer", "n_embd", "n_positions", "vocab_size")},
    "n_head": [*NUMBERS, None, 5],
    "n_inner": [*NUMBERS, 5],
    "activation_function": WRONG["act_fn"],
    "layer_norm_epsilon": WRONG["eps"],
    "scale_attn_weights": FLAGS,
    "scale_attn_by_inverse_layer_idx": [True, "false", 1],
    "tie_word_embeddings": [False, "false", None],
    "bos_token_id": [-1, 2.5, "1", [1], 10**9],
}
NEO_WRONG: dict[str, list[Any]] = {
    **{key: [*NUMBERS, None, 3] for key in ("num_layers", "hidden_size")},
    "num_heads": [*NUMBERS, None, 5],
    "window_size": WRONG["window_size"],
    "attention_types": [
        None, 3, [], {}, "local", [["local", 2]], [[["local"], "2"]], [[["global"], 10**12]],
        [["local"]], [[[3], 2]], [[["x"], 2]],
    ],
}  # fmt: skip
TEXTS = [
    b"", b"{", b"[]", b"3", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 100_000,
    b'{"n_layers": NaN}', b'{"n_layers": ' + b"9" * 5000 + b"}", b" " * 5_000_000,
]  # fmt: skip
NAMES = [
    3, None, [], "", ".", "..", "../secret/model.safetensors", "a/b", "x" * 5000, "a\0b", "\ud800",
    "nowhere", "SECRET",
]  # fmt: skip


def ours(folder: Path) -> None:
    model = random_model(attn_types=["global", "local"], window_size=3, dtype=torch.float32)
    words = WordTokenizer(["<pad>", "<bos>", *"abcdefghi"])
    save_parts(folder, Parts(model.config_dict(), model.state_dict(), words))


def malformed(folder: Path, secret: Path, seed: int) -> str:
    """Write a folder that is wrong in one way. Returns what is wrong.

    Args:
        secret: A right folder beside it, which nothing may open.
    """
    choose = random.Random(seed)
    kind = choose.choice(("ours", "ours", "gpt2", "neo", "sharded", "torch"))
    if kind == "ours":
        ours(folder)
    else:
        form = {"sharded": "sharded", "torch": "torch"}.get(kind, "safetensors")
        write_checkpoint(folder, NEO if kind == "neo" else GPT2, form, tokenizer=True)
    ways: list[Callable[[Path, Path, random.Random], str]] = [config, config, text, place]
    ways += {"sharded": [index, index], "torch": [pickled, pickled]}.get(kind, [weights, weights])
    return f"{kind}: {choose.choice(ways)(folder, secret, choose)}"


def config(folder: Path, secret: Path, choose: random.Random) -> str:
    file = folder / "config.json"
    held = json.loads(file.read_text())
    table = WRONG
    if "model_type" in held:
        table = NEO_WRONG if held["model_type"] == "gpt_neo" else HUB_WRONG
    key = choose.choice(list(table))
    value = choose.choice(table[key])
    file.write_text(json.dumps({**held, key: value}))
    return f"{key}={value!r:.60}"


def text(folder: Path, secret: Path, choose: random.Random) -> str:
    texts = ("config.json", "words.txt", "tokenizer.json", "model.safetensors.index.json")
    name = choose.choice([name for name in texts if (folder / name).exists()])
    content = choose.choice(TEXTS)
    (folder / name).write_bytes(content)
    return f"{name} holds {content[:30]!r}"


def place(folder: Path, secret: Path, choose: random.Random) -> str:
    """Something else stands in a file's place, though what it leads to may be right."""
    file = choose.choice(sorted(folder.iterdir()))
    (secret / file.name).write_bytes(file.read_bytes())
    file.unlink()
    ways: dict[str, Callable[[], object]] = {
        "link out": lambda: file.symlink_to(secret / file.name),
        "link out, relative": lambda: file.symlink_to(f"../{secret.name}/{file.name}"),
        "link to itself": lambda: file.symlink_to(file),
        "link to nothing": lambda: file.symlink_to(folder / "nothing"),
        "folder": file.mkdir,
        "pipe": lambda: os.mkfifo(file),
        "device": lambda: file.symlink_to("/dev/zero"),
    }
    if file.name == "tokenizer.json":  # a model may lack one
        ways = {what: ways[what] for what in ("link out", "link out, relative")}
    what = choose.choice(list(ways))
    ways[what]()
    return f"{file.name} is a {what}"


def weights(folder: Path, secret: Path, choose: random.Random) -> str:
    file = folder / "model.safetensors"
    held = load_file(file)
    name = choose.choice(sorted(held))
    tensor = held[name]
    layer = {n.replace(".1.", ".2."): t.clone() for n, t in held.items() if ".1." in n}
    ways: dict[str, dict[str, torch.Tensor]] = {
        "missing": {n: t for n, t in held.items() if n != name},
        "extra": {**held, "extra": torch.ones(2)},
        "long name": {**held, "x" * 5000: torch.ones(2)},
        "another layer": {**held, **layer},
        "a layer less": {n: t for n, t in held.items() if ".1." not in n},
        "two names": {**held, f"transformer.{name.removeprefix('transformer.')[1:]}": tensor + 1},
        "rank up": {**held, name: tensor[None].clone()},
        "flat": {**held, name: tensor.reshape(-1)[:-1].clone()},
        "scalar": {**held, name: torch.tensor(1.0)},
        "empty": {**held, name: torch.empty(0)},
        **{
            str(dtype): {**held, name: tensor.to(dtype)}
            for dtype in (torch.int64, torch.complex64, torch.bool, torch.float8_e4m3fn)
        },
    }
    what = choose.choice([*ways, "cut", "no header", "long header", "lying header"])
    if what in ways:
        save_file(ways[what], file)
    content = file.read_bytes()
    changed = {
        "cut": content[: choose.randrange(len(content))],
        "no header": struct.pack("<Q", 2) + b"{}",
        "long header": struct.pack("<Q", 90_000_000) + b" " * 90_000_000,
        "lying header": content.replace(b'"shape":[', b'"shape":[99999999,', 1),
    }
    file.write_bytes(changed.get(what, content))
    return f"{name}: {what}"


def index(folder: Path, secret: Path, choose: random.Random) -> str:
    file = folder / "model.safetensors.index.json"
    held = json.loads(file.read_text())["weight_map"]
    name = choose.choice(sorted(held))
    value = choose.choice(NAMES)
    value = str(secret / "model.safetensors") if value == "SECRET" else value
    ways: dict[str, Any] = {
        "file": {"weight_map": {**held, name: value}},
        "all files": {"weight_map": dict.fromkeys(held, value)},
        "no map": {},
        "list": {"weight_map": [*held]},
        "more": {"weight_map": {**held, "more": held[name]}},
        "fewer": {"weight_map": {n: f for n, f in held.items() if n != name}},
    }
    what = choose.choice(["file", *ways])
    file.write_text(json.dumps(ways[what]))
    return f"index, {what}: {value!r:.40}"


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/was_here",)


def pickled(folder: Path, secret: Path, choose: random.Random) -> str:
    file = folder / "pytorch_model.bin"
    held = torch.load(file, weights_only=True)
    name = choose.choice(sorted(held))
    ways: dict[str, Any] = {
        "code": {**held, name: Code()},
        "list": list(held.values()),
        "nested": {"state_dict": held},
        "number": {**held, "step": 3},
        "int name": {**held, 3: torch.ones(2)},
        "stretched": {**held, name: torch.ones(1).expand(10**6, 10**6)},
        "sparse": {**held, name: torch.ones(3, 3).to_sparse()},
        "int": {**held, name: held[name].long()},
        "rank": {**held, name: held[name][None]},
        "missing": {n: t for n, t in held.items() if n != name},
    }
    what = choose.choice([*ways, "cut", "packed", "nothing"])
    if what in ways:
        torch.save(ways[what], file)
    elif what == "packed":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("archive/data.pkl", b"\0" * 10_000_000)
    else:
        file.write_bytes(file.read_bytes()[: 99 if what == "cut" else 0])
    return f"{name}: {what}"
