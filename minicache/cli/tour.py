"""Take a model's run on one prompt apart, in six short steps: `python -m minicache`.

`look` runs the model and returns findings as plain data, which `--json` prints. `show` draws them
in a terminal. Each step ends with the Python code that computes it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any, Final

import torch
from rich.console import Console
from rich.text import Text

from minicache.analysis.heads import induction_score
from minicache.cli.draw import SHADES, bar, code, heading, table
from minicache.cli.options import PROMPT, Screen, load_model
from minicache.errors import TokenError
from minicache.memory import predict_saved_bytes
from minicache.model import HookedTransformer

__all__ = ["look", "run", "show"]

ANSWER: Final = "Mary"
PHRASE: Final = "Tokyo fox blue cake Anna"


@torch.no_grad()
def look(
    model: HookedTransformer, prompt: str, answer: str | None = None, versus: str | None = None
) -> dict[str, Any]:
    """Compute everything that the tour shows, as plain data.

    Args:
        answer: The word whose logit is explained. None takes the likeliest next word.
        versus: Explain the answer's logit less this word's. None explains the answer's alone.

    Raises:
        TokenError: the model cannot read the prompt or a word.
    """
    bos = _has_bos(model)
    logits, cache = model.run_with_cache(prompt, prepend_bos=bos)
    likeliest = logits[0, -1].softmax(-1).topk(min(5, model.cfg.d_vocab))
    if answer is None:
        answer = str(model.to_string(likeliest.indices[:1]))
    ids = [model.to_single_token(word) for word in (answer, versus) if word is not None]
    wrong = ids[1] if versus is not None else None
    stack, labels = cache.decompose_resid(pos_slice=-1, return_labels=True)
    shares = cache.logit_attrs(stack, ids[0], wrong, pos_slice=-1)[:, 0]
    constant = cache.logit_constant(ids[0], wrong, pos_slice=-1)[0]
    heads, head_labels = cache.head_logit_attrs(ids[0], wrong, pos_slice=-1, return_labels=True)
    final = logits[0, -1]
    logit = final[ids[0]] - (final[wrong] if wrong is not None else 0)
    total = shares.sum() + constant
    return {
        "prompt": prompt,
        "answer": answer,
        "versus": versus,
        "bos": bos,
        "tokens": model.to_str_tokens(prompt, prepend_bos=bos),
        "cache": repr(cache),
        "next": [
            {"word": str(model.to_string([token])), "probability": float(probability)}
            for probability, token in zip(*map(torch.Tensor.tolist, likeliest), strict=True)
        ],
        "components": _make_rows(labels, shares),
        "constant": float(constant),
        "sum": float(total),
        "logit": float(logit),
        "difference": float((total - logit).abs()),
        "heads": _make_rows(head_labels, heads[:, 0]),
        "induction": _find_induction_head(model),
        "autodiff": {
            "pos": logits.shape[1],
            "bytes": predict_saved_bytes(model.cfg, 1, logits.shape[1], logits.dtype),
            "batch": 32,
            "n_ctx": model.cfg.n_ctx,
            "batch_bytes": predict_saved_bytes(model.cfg, 32, model.cfg.n_ctx, logits.dtype),
        },
    }


def _has_bos(model: HookedTransformer) -> bool:
    """Return whether texts can begin with a BOS token: not every tokenizer has one."""
    return model.tokenizer is None or model.tokenizer.bos_token_id is not None


def _make_rows(labels: Sequence[str], values: torch.Tensor) -> list[dict[str, Any]]:
    pairs = zip(labels, values.tolist(), strict=True)
    return [{"name": label, "share": share} for label, share in pairs]


def _find_induction_head(model: HookedTransformer) -> dict[str, Any]:
    """Find the head with the highest induction score, on a phrase that is repeated once."""
    bos = _has_bos(model)
    try:
        phrase = model.to_tokens(PHRASE, prepend_bos=False)[0].tolist()
    except TokenError:  # this model's vocabulary does not have the words
        phrase = []
    longest = (model.cfg.n_ctx - bos) // 2
    if not len(set(phrase)) == len(phrase) <= longest or not phrase:  # any distinct tokens will do
        phrase = list(range(min(5, model.cfg.d_vocab - 1, longest)))
    tokens = (model.to_tokens("")[0].tolist() if bos else []) + phrase * 2
    _, cache = model.run_with_cache(torch.tensor([tokens], device=model.device))
    scores = induction_score(cache, period=len(phrase), prepend_bos=bos)
    layer, head = divmod(int(scores.argmax()), scores.shape[1])
    pattern = cache["pattern", layer][0, head]
    return {
        "head": f"L{layer}H{head}",
        "layer": layer,
        "index": head,
        "score": float(scores[layer, head]),
        "words": [str(model.to_string([token])) for token in tokens],
        "pattern": [[round(p, 4) for p in row] for row in pattern.tolist()],
    }


def show(findings: dict[str, Any], console: Console) -> None:
    """Draw the findings in 80 columns. Neither colour nor a terminal is needed."""
    prompt, answer, versus = (findings[key] for key in ("prompt", "answer", "versus"))
    words = f"{answer!r}" + (f", {versus!r}" if versus else "")
    no_bos = "" if findings["bos"] else ", prepend_bos=False"

    heading(console, "1", "The tokens")
    console.print(Text(" ".join(findings["tokens"])))
    console.print(Text(findings["cache"]), style="dim")
    code(
        console,
        "import minicache",
        "model = minicache.HookedTransformer.from_pretrained()",
        f"logits, cache = model.run_with_cache({prompt!r}{no_bos})",
    )

    heading(console, "2", "The five likeliest next words")
    rows = table()
    for row in findings["next"]:
        rows.add_row(row["word"], f"{row['probability']:.1%}", bar(row["probability"], 1.0))
    console.print(rows)
    code(console, "logits[0, -1].softmax(-1).topk(5)")

    heading(console, "3", f"Where the {_name_target(findings)} comes from")
    constant = {"name": "constant", "share": findings["constant"]}
    _print_shares(console, [*findings["components"], constant])
    console.print(
        f"sum {findings['sum']:.4f}   the model's own {findings['logit']:.4f}   "
        f"difference {findings['difference']:.1e}",
        style="bold",
    )
    code(
        console,
        "parts = cache.decompose_resid(pos_slice=-1)",
        f"shares = cache.logit_attrs(parts, {words}, pos_slice=-1)",
        f"shares.sum(0) + cache.logit_constant({words}, pos_slice=-1)",
    )

    heading(console, "4", "The heads that add most")
    ranked = sorted(findings["heads"], key=lambda row: -abs(row["share"]))
    _print_shares(console, ranked[:5])
    code(console, f"cache.head_logit_attrs({words}, pos_slice=-1, return_labels=True)")

    induction = findings["induction"]
    heading(console, "5", f"An induction head, {induction['head']}, on a phrase said twice")
    console.print("Each row is a word: it attends to the word that followed it the first time.")
    _print_pattern(console, induction["words"], induction["pattern"])
    score = f"induction score {induction['score']:.2f} (1 is all its attention)"
    console.print(score, style="bold")
    phrase = " ".join(induction["words"][findings["bos"] :])
    code(
        console,
        f"_, again = model.run_with_cache({phrase!r}{no_bos})",
        f"again['pattern', {induction['layer']}][0, {induction['index']}]",
    )

    cost = findings["autodiff"]
    heading(console, "6", "What autodiff would have held for a backward pass")
    console.print(
        f"{cost['bytes'] / 1e6:.2f} MB for this prompt, and {cost['batch_bytes'] / 1e6:.2f} MB for "
        f"{cost['batch']} x {cost['n_ctx']} tokens. `python -m minicache memory` measures it."
    )
    code(console, f"minicache.predict_saved_bytes(model.cfg, batch=1, pos={cost['pos']})")


def _name_target(findings: dict[str, Any]) -> str:
    less = f" less that of {findings['versus']!r}" if findings["versus"] else ""
    return f"logit of {findings['answer']!r}{less}"


def _print_shares(console: Console, rows: list[dict[str, Any]]) -> None:
    most = max(abs(row["share"]) for row in rows)
    shares = table()
    for row in rows:
        shares.add_row(row["name"], f"{row['share']:+.3f}", bar(row["share"], most))
    console.print(shares)


def _print_pattern(console: Console, words: list[str], pattern: list[list[float]]) -> None:
    margin = max(map(len, words))
    for word, row in zip(words, pattern, strict=True):
        cells = "".join(2 * SHADES[min(4, int(5 * weight))] for weight in row[: 30 - margin // 2])
        console.print(Text(f"{word:>{margin}} │{cells}│"), style="blue")


def run(args: argparse.Namespace) -> int:
    """The command `tour`."""
    model = load_model(args)
    answer = ANSWER if args.prompt is None and args.answer is None else args.answer
    prompt = PROMPT if args.prompt is None else args.prompt
    findings = look(model, prompt, answer, args.versus)
    if args.json:
        print(json.dumps(findings, indent=1))
    else:
        show(findings, Screen(highlight=False))
    if args.plot:
        from minicache import plots  # an optional extra, wanted only here

        shares = [row["share"] for row in findings["heads"]]
        title = f"What each head adds to the {_name_target(findings)}"
        plots.save(plots.heat_map(shares, model.cfg.n_layers, title), args.plot)
    return 0
