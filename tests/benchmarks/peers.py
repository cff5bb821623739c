"""Five tools and minicache on one task: cache all activations, then every head's share in a logit.

    python -m tests.benchmarks.peers --folder FOLDER [--quick] [--only NAME ..] [--json FILE]

All get the same GPT-2-shaped random model, tokens and answer, and all have to give the same
numbers. Each runs in a process of its own environment. The processes stay: in each round every one
does the task once, in a random order, beside a plain forward pass of `transformers`. Ratios are
taken within a round, and their median is shown. README.md beside this file has the environments.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import importlib.util
import inspect
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import torch
from einops import einsum, rearrange
from torch import Tensor

ROOT = Path(__file__).parents[2]
SHAPES = {
    "quick": dict(n_layer=2, n_embd=48, n_head=3, vocab_size=101, n_positions=32),
    "full": dict(n_layer=12, n_embd=768, n_head=12, vocab_size=50257, n_positions=1024),
}
TOKENS = {"quick": (2, 16), "full": (4, 128)}
ANSWER = 7
ROUNDS = {"quick": 2, "full": 15}


# What a user writes. `cache` keeps the run, `heads` makes [layer * head, batch, pos] of it.


def minicache_cache(model: Any, tokens: Tensor) -> Any:
    _, cache = model.run_with_cache(tokens)
    return cache


def minicache_heads(model: Any, cache: Any, answer: int) -> Tensor:
    return cache.head_logit_attrs(answer)


def transformer_lens_heads(model: Any, cache: Any, answer: int) -> Tensor:
    return cache.logit_attrs(cache.stack_head_results(), answer)


def nnsight_cache(model: Any, tokens: Tensor) -> Any:
    with model.trace(tokens) as tracer:
        cache = tracer.cache(include_inputs=True)
    return cache


def nnsight_heads(model: Any, cache: Any, answer: int) -> Tensor:
    body = cache.model.transformer
    zs = [body.h[layer].attn.c_proj.input for layer in range(len(model.transformer.h))]
    return by_hand(model._module, zs, body.ln_f.input, answer)


def baukit_cache(model: Any, tokens: Tensor) -> Any:
    names = [name for name, _ in model.named_modules() if name]
    with NETHOOK.TraceDict(model, names, retain_input=True) as cache:
        model(tokens)
    return cache


def baukit_heads(model: Any, cache: Any, answer: int) -> Tensor:
    layers = range(len(model.transformer.h))
    zs = [cache[f"transformer.h.{layer}.attn.c_proj"].input for layer in layers]
    return by_hand(model, zs, cache["transformer.ln_f"].input, answer)


def torchlens_cache(model: Any, tokens: Tensor) -> Any:
    flat = TORCHLENS.options.CaptureOptions(recurrence_detection=False)
    return TORCHLENS.trace(model, tokens, capture=flat)


def torchlens_heads(model: Any, cache: Any, answer: int) -> Tensor:
    def entering(name: str) -> Tensor:
        return cache[cache.modules[name].input_ops[0]].out

    layers = range(len(model.transformer.h))
    zs = [entering(f"transformer.h.{layer}.attn.c_proj") for layer in layers]
    return by_hand(model, zs, entering("transformer.ln_f"), answer)


def by_hand(model: Any, zs: list[Tensor], final: Tensor, answer: int) -> Tensor:
    ln, heads = model.transformer.ln_f, model.config.n_head
    scale = (final.var(-1, unbiased=False) + ln.eps).sqrt()
    direction = model.lm_head.weight[answer] * ln.weight
    direction = direction - direction.mean()
    shares = []
    for block, z in zip(model.transformer.h, zs):  # noqa: B905  # as a user writes it
        W_O = rearrange(block.attn.c_proj.weight, "(head d) m -> head d m", head=heads)
        z = rearrange(z, "batch pos (head d) -> batch pos head d", head=heads)
        shares.append(
            einsum(z, W_O @ direction, "batch pos head d, head d -> head batch pos") / scale
        )
    return torch.cat(shares)


# How each is set up: not counted.

NETHOOK: Any = None
TORCHLENS: Any = None


def load_minicache(folder: Path, hf: Any) -> Any:
    from minicache import HookedTransformer

    return HookedTransformer.from_pretrained(folder)


def load_transformer_lens_3(folder: Path, hf: Any) -> Any:
    from tests.peer import peer_of

    return peer_of(load_minicache(folder, hf))


def load_transformer_lens_4(folder: Path, hf: Any) -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({str(n): n for n in range(hf.config.vocab_size)}, unk_token="0"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="1", eos_token="1")
    tokenizer.save_pretrained(folder / "tokenizer")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    return TransformerBridge.boot_transformers(str(folder), hf_model=hf, tokenizer=tokenizer)


def load_nnsight(folder: Path, hf: Any) -> Any:
    from nnsight import NNsight

    return NNsight(hf)


def load_baukit(folder: Path, hf: Any) -> Any:
    global NETHOOK
    # The package's __init__ asks for torchvision; the one file that hooks asks for torch alone.
    found = importlib.util.find_spec("baukit")
    file = Path(found.submodule_search_locations[0], "nethook.py")
    spec = importlib.util.spec_from_file_location("nethook", file)
    NETHOOK = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(NETHOOK)
    return hf


def load_torchlens(folder: Path, hf: Any) -> Any:
    global TORCHLENS
    import torchlens as TORCHLENS

    return hf


@dataclass(frozen=True)
class Peer:
    """A tool: its package, its environment, what a user writes, and what it is good for."""

    package: str
    environment: str
    load: Callable[[Path, Any], Any]
    cache: Callable[[Any, Tensor], Any]
    heads: Callable[[Any, Any, int], Tensor]
    hand: bool
    gives: str

    def lines(self) -> int:
        """Lines of code that a user writes, but for the `def`s."""
        functions: list[Any] = [self.cache, self.heads] + [by_hand] * self.hand
        sources = [inspect.getsource(function).splitlines() for function in functions]
        return sum(bool(line.strip()) for source in sources for line in source[1:])


PEERS = {
    "minicache": Peer(
        "minicache", ".venv-peers", load_minicache, minicache_cache, minicache_heads, False,
        "names, decompositions, fused attributions",
    ),
    "TransformerLens 3.9": Peer(
        "transformer-lens", ".venv-peers", load_transformer_lens_3, minicache_cache,
        transformer_lens_heads, False, "the same names, many more models and analyses",
    ),
    "TransformerLens 4.3": Peer(
        "transformer-lens", ".venv-tl4", load_transformer_lens_4, minicache_cache,
        transformer_lens_heads, False, "the same, around the model of `transformers` itself",
    ),
    "nnsight": Peer(
        "nnsight", ".venv-tools", load_nnsight, nnsight_cache, nnsight_heads, True,
        "any module's input and output, edits, remote runs",
    ),
    "baukit": Peer(
        "baukit", ".venv-tools", load_baukit, baukit_cache, baukit_heads, True,
        "any module's input and output, edits, in one file",
    ),
    "torchlens": Peer(
        "torchlens", ".venv-tools", load_torchlens, torchlens_cache, torchlens_heads, True,
        "every operation's output, and the graph between them",
    ),
}  # fmt: skip


def make_folder(folder: Path, size: str) -> None:
    """A random model of GPT-2's shape, in the format of `transformers`."""
    import transformers

    torch.manual_seed(0)
    config = transformers.GPT2Config(**SHAPES[size], bos_token_id=1, eos_token_id=1)
    model = transformers.GPT2LMHeadModel(config).eval()
    model.save_pretrained(folder)


def work(name: str, folder: Path, size: str) -> None:
    """A process that does the task whenever a line comes in, and says what it took."""
    import transformers

    from minicache.memory.live import LiveBytes

    torch.set_num_threads(1)
    peer = PEERS[name]
    eager = {"attn_implementation": "eager"}  # the only one that has a pattern to cache
    hf = transformers.GPT2LMHeadModel.from_pretrained(folder, **eager).eval()
    tokens = torch.randint(
        hf.config.vocab_size, TOKENS[size], generator=torch.Generator().manual_seed(0)
    )
    model = peer.load(folder, hf)

    def say(**what: Any) -> None:
        print(json.dumps(what), file=real_stdout, flush=True)

    real_stdout, sys.stdout = sys.stdout, sys.stderr  # whatever a tool prints is not ours to read
    with torch.no_grad():
        plain = transformers.GPT2LMHeadModel.from_pretrained(folder, **eager).eval()
        plain(tokens)
        with LiveBytes() as live:
            shares = peer.heads(model, peer.cache(model, tokens), ANSWER)
        with LiveBytes() as live_plain:
            plain(tokens)
        say(
            shares=[
                [float(f"{v:.6g}") for v in row] for row in shares.reshape(len(shares), -1).tolist()
            ],
            peak=live.peak,
            plain_peak=live_plain.peak,
            version=importlib.metadata.version(peer.package),
            torch=torch.__version__,
        )
        for _ in sys.stdin:
            seconds = []
            gc.collect()
            for step in ("plain", "cache", "heads"):
                start = perf_counter()
                if step == "plain":
                    plain(tokens)
                elif step == "cache":
                    cache = peer.cache(model, tokens)
                else:
                    peer.heads(model, cache, ANSWER)
                seconds.append(perf_counter() - start)
            del cache
            say(seconds=seconds)


def measure(folder: Path, size: str, names: list[str]) -> dict[str, Any]:
    """Every peer's figures, from one run."""
    workers = {
        name: subprocess.Popen(
            [str(ROOT / PEERS[name].environment / "bin/python"), "-m", "tests.benchmarks.peers",
             "--worker", name, "--folder", str(folder), *(["--quick"] if size == "quick" else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for name in names
    }  # fmt: skip

    def answer(name: str) -> Any:
        line = workers[name].stdout.readline()  # type: ignore[union-attr]  # it is a pipe
        if not line:
            raise SystemExit(f"{name} stopped; its message is above.")
        return json.loads(line)

    first = {name: answer(name) for name in names}
    expected = torch.tensor(first[names[0]]["shares"])
    for name in names:
        shares = torch.tensor(first[name]["shares"])
        torch.testing.assert_close(shares, expected, atol=1e-4, rtol=1e-3, msg=name)
    random, ratios = Random(0), {name: {"cache": [], "heads": []} for name in names}
    for _ in range(ROUNDS[size]):
        for name in random.sample(names, len(names)):
            print("go", file=workers[name].stdin, flush=True)
            plain, cache, heads = answer(name)["seconds"]
            ratios[name]["cache"].append(cache / plain)
            ratios[name]["heads"].append(heads / plain)
    for worker in workers.values():
        worker.stdin.close()  # type: ignore[union-attr]  # it is a pipe
        worker.wait()
    return {
        "size": size,
        "shape": SHAPES[size],
        "tokens": TOKENS[size],
        "rounds": ROUNDS[size],
        "torch": first[names[0]]["torch"],
        "peers": {
            name: {
                "version": first[name]["version"],
                "lines": PEERS[name].lines(),
                **{step: statistics.median(ratios[name][step]) for step in ("cache", "heads")},
                "peak_mb": first[name]["peak"] / 1e6,
                "plain_peak_mb": first[name]["plain_peak"] / 1e6,
                "gives": PEERS[name].gives,
            }
            for name in names
        },
    }


def table(found: dict[str, Any]) -> str:
    """The figures as a Markdown table, as lesson 16 shows it."""
    lines = [
        "| tool | lines | cache | heads | peak memory | what it gives |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for name, row in found["peers"].items():
        version = "" if row["version"][:3] in name or name == "minicache" else f" {row['version']}"
        lines.append(
            f"| {name}{version} | {row['lines']} | {row['cache']:.2f} | {row['heads']:.3f} "
            f"| {row['peak_mb']:,.0f} MB | {row['gives']} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the model is made")
    parser.add_argument(
        "--quick", action="store_true", help="a small model: is it in order at all?"
    )
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    size = "quick" if args.quick else "full"
    if args.worker:
        work(args.worker, args.folder, size)
        return 0
    make_folder(args.folder, size)
    found = measure(args.folder, size, args.only)
    print(table(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
