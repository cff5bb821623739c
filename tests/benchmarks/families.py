"""The laws on every family of tests/bridge, in minicache and in TransformerLens 4.3.

    .venv-tl4/bin/python -m tests.benchmarks.families --json tests/benchmarks/families.json

Both are given the same small random model, in float32, and the same tokens. Each law is written
once, in the names that both tools have. README.md beside this file has the environment. Lesson 15
shows the table, and a test compares the two.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.bridge.families import tiny_model

TOLERANCE = 1e-3  # of the largest value
TOKENS = torch.randint(3, 67, (2, 9), generator=torch.Generator().manual_seed(1))
LAST = 2  # the models have three blocks


def off_by(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).abs().max() / expected.abs().max())


def logits(model: Any, plain: Any, run: Any) -> float:
    """The cached run gives the model's own logits."""
    return off_by(run[0], plain.logits)


def stream(model: Any, plain: Any, run: Any) -> float:
    """The stream is what `transformers` calls hidden states: before each block, or behind it."""
    return max(
        min(
            off_by(run[1][f"blocks.{layer}.hook_resid_{end}"], plain.hidden_states[layer])
            for end in ("pre", "post")
        )
        for layer in range(LAST + 1)
    )


def parts(model: Any, plain: Any, run: Any) -> float:
    """Embeddings, and what attention and MLPs wrote, sum to the stream."""
    return off_by(run[1].decompose_resid().sum(0), run[1][f"blocks.{LAST}.hook_resid_post"])


def heads(model: Any, plain: Any, run: Any) -> float:
    """With the heads in attention's place, they sum to the stream as well."""
    finest = run[1].get_full_resid_decomposition(expand_neurons=False)
    return off_by(finest.sum(0), run[1][f"blocks.{LAST}.hook_resid_post"])


def attributions(model: Any, plain: Any, run: Any) -> float:
    """The parts' attributions to a logit sum to it, but for one constant."""
    token = torch.full_like(TOKENS, 5)
    found = run[1].logit_attrs(run[1].decompose_resid(), token).sum(0)
    caps = ("final_logit_softcapping", "logits_soft_cap")
    cap = next((getattr(plain.config, name) for name in caps if hasattr(plain.config, name)), None)
    logit = run[0][..., 5]  # attributions are to the logit before its cap, where there is one
    rest = (cap * (logit / cap).atanh() if cap else logit) - found
    whole = found + rest.flatten()[logit.abs().argmin()]
    return off_by(cap * (whole / cap).tanh() if cap else whole, logit)


def replacing(model: Any, plain: Any, run: Any) -> float:
    """What a hook adds to the last write is in the stream behind the last block."""
    kept: list[Tensor] = []
    has_mlp = f"blocks.{LAST}.hook_mlp_out" in model.hook_dict
    hooks = [
        (f"blocks.{LAST}.hook_{'mlp' if has_mlp else 'attn'}_out", lambda tensor, hook: tensor + 1),
        (f"blocks.{LAST}.hook_resid_post", lambda tensor, hook: kept.append(tensor)),
    ]
    model.run_with_hooks(TOKENS, fwd_hooks=hooks)
    before = run[1][f"blocks.{LAST}.hook_resid_post"]
    return off_by(kept[0] - before, torch.ones_like(before))


LAWS: dict[str, Callable[[Any, Any, Any], float]] = {
    law.__name__: law for law in (logits, stream, parts, heads, attributions, replacing)
}


def wrap(model: Any) -> Any:
    import minicache

    return minicache.wrap(model)


def boot(model: Any) -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({str(n): n for n in range(67)}, unk_token="0"))
    with tempfile.TemporaryDirectory() as folder:
        fast = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="1", eos_token="1")
        fast.save_pretrained(folder)
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(folder)
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        return TransformerBridge.boot_transformers(folder, hf_model=model, tokenizer=tokenizer)


def boot_folded(model: Any) -> Any:
    """TransformerLens attributes logits of a model whose norms are folded into its weights."""
    bridge = boot(model)
    bridge.enable_compatibility_mode()
    return bridge


TOOLS = {"minicache": (wrap, wrap), "TransformerLens": (boot, boot_folded)}


@torch.no_grad()
def measure(tool: str, family: str) -> dict[str, float | str]:
    """For each law how far off it is, or why it could not be asked."""
    found: dict[str, float | str] = {}
    for opened, laws in zip(TOOLS[tool], ([*LAWS], ["attributions"]), strict=True):
        model = tiny_model(family, torch.float32)
        plain = model(input_ids=TOKENS, use_cache=False, output_hidden_states=True)
        plain.config = model.config.get_text_config()
        try:
            bridged = opened(model)
            run = bridged.run_with_cache(TOKENS)
        except Exception as error:
            found |= {laws[-1] if found else "open": _said(error)}
            break
        for name in laws:
            try:
                found[name] = LAWS[name](bridged, plain, run)
            except Exception as error:
                found[name] = _said(error)
    return found


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:160]


def cell(found: dict[str, float | str]) -> str:
    """A tool's laws on one family, for a reader."""
    if "open" in found:
        return "cannot open it"
    failed = {n: v for n, v in found.items() if not isinstance(v, float) or not v <= TOLERANCE}
    if not failed:
        return "all"
    said = [
        f"{name} (off by {100 * value:.1f} %)"
        if isinstance(value, float)
        else f"{name} ({value.split(':')[0]})"
        for name, value in failed.items()
    ]
    return f"all but {', '.join(said)}"


def totals(found: dict[str, Any]) -> dict[str, float]:
    """What the lesson says in words: how many families, in how many all laws held, within what."""
    all_held = {
        tool: sum(cell(of[tool]) == "all" for of in found["families"].values()) for tool in TOOLS
    }
    return {"families": len(found["families"]), **all_held, "tolerance": TOLERANCE}


def table(found: dict[str, Any]) -> str:
    """The table of lesson 15."""
    rows = [
        f"| {family} | {cell(of['minicache'])} | {cell(of['TransformerLens'])} |"
        for family, of in found["families"].items()
    ]
    held = totals(found)
    return "\n".join(
        [
            f"| family | minicache | TransformerLens {found['versions']['transformer-lens']} |",
            "|---|---|---|",
            f"| **{len(rows)} families: all laws held in** | "
            f"**{held['minicache']}** | **{held['TransformerLens']}** |",
            *rows,
        ]
    )


def main() -> None:
    from tests.bridge.test_laws import FAMILIES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="*", default=FAMILIES)
    asked = parser.parse_args()
    logging.disable()
    warnings.simplefilter("ignore")
    packages = ("transformer-lens", "transformers", "torch")
    found: dict[str, Any] = {
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "families": {f: {tool: measure(tool, f) for tool in TOOLS} for f in asked.only},
    }
    found["totals"] = totals(found)
    print(table(found))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
