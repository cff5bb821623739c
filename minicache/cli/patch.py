"""`python -m minicache patch CLEAN CORRUPTED`: find the activations that make two prompts differ.

Each activation of the clean run is put into the corrupted run in turn. The logit difference of the
two answers then says how much of the clean run is restored: from 0 % to 100 %.
"""

from __future__ import annotations

import argparse
import json
from typing import Any, Final

import torch
from rich.console import Console
from rich.text import Text
from torch import Tensor

from minicache import patching
from minicache.cli.draw import SHADES, bar, code, heading, table
from minicache.cli.options import Screen, load_model
from minicache.errors import ConfigError
from minicache.model import HookedTransformer

__all__ = ["look", "run", "show"]

MOST: Final = 6  # rows of a ranking


def look(
    model: HookedTransformer,
    clean: str,
    corrupted: str,
    answer: str | None = None,
    versus: str | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """The sweeps of the stream and of the heads, as plain data.

    Args:
        answer: The clean prompt's next word; None takes the likeliest.
        versus: The corrupted prompt's; None takes the likeliest.

    Raises:
        ConfigError: the prompts differ in length, or nothing in the difference.
        TokenError: a prompt or a word is not for this model.
    """
    tokens, other = model.to_tokens(clean), model.to_tokens(corrupted)
    if tokens.shape != other.shape:
        raise ConfigError(
            f"The prompts have {tokens.shape[1]} and {other.shape[1]} tokens. Give two of the same "
            f"length, because each position is patched with the same position of the other run."
        )
    with torch.no_grad():
        logits, cache = model.run_with_cache(tokens)
        other_logits = model(other)
    words = [
        str(model.to_string(run[0, -1:].argmax(-1))) if word is None else word
        for word, run in ((answer, logits), (versus, other_logits))
    ]
    good, bad = (model.to_single_token(word) for word in words)

    def difference(logits: Tensor) -> Tensor:
        return logits[0, -1, good] - logits[0, -1, bad]

    top, low = (float(difference(run)) for run in (logits, other_logits))
    if abs(top - low) < 1e-6:
        raise ConfigError(
            f"Both prompts give the same logit difference of {words[0]!r} and {words[1]!r}, "
            f"{top:.3f}, so nothing can be restored. Give --answer and --versus."
        )

    def restored(values: Tensor) -> list[list[float]]:
        return ((values - low) / (top - low)).tolist()

    asked = (model, other, cache, difference)
    return {
        "clean": model.to_str_tokens(clean),
        "corrupted": model.to_str_tokens(corrupted),
        "answer": words[0],
        "versus": words[1],
        "clean_difference": top,
        "corrupted_difference": low,
        "stream": restored(patching.get_act_patch_resid_pre(*asked, progress=progress)),
        "heads": restored(patching.get_act_patch_attn_head_out_all_pos(*asked, progress=progress)),
    }


def show(findings: dict[str, Any], console: Console) -> None:
    """Draw the findings. Fits 80 columns, and needs neither colour nor a terminal."""
    answer, versus = findings["answer"], findings["versus"]
    words = [
        clean if clean == corrupted else f"{clean}|{corrupted}"
        for clean, corrupted in zip(findings["clean"], findings["corrupted"], strict=True)
    ]
    heading(console, "1", f"The logit of {answer!r} less that of {versus!r}")
    console.print(Text(" ".join(words)))
    for run in ("clean", "corrupted"):
        console.print(f"{run:>9} {findings[f'{run}_difference']:+8.3f}")

    heading(console, "2", "The stream, patched before each layer and at each word")
    console.print("A column a layer. Darker: more of the clean run's difference is restored.")
    margin = max(map(len, words))
    for pos, word in enumerate(words):
        column = [layer[pos] for layer in findings["stream"]][: 38 - margin // 2]
        cells = "".join(2 * SHADES[min(4, max(0, int(5 * value)))] for value in column)
        console.print(Text(f"{word:>{margin}} │{cells}│"), style="blue", soft_wrap=True)
    places = {
        f"L{layer} {words[pos]} ({pos})": value
        for layer, row in enumerate(findings["stream"])
        for pos, value in enumerate(row)
    }
    _print_ranked(console, places)
    code(
        console,
        "from minicache import patching",
        f"_, cache = model.run_with_cache({_text(findings['clean'])!r})",
        f"corrupted = model.to_tokens({_text(findings['corrupted'])!r})",
        f"good, bad = map(model.to_single_token, {(answer, versus)!r})",
        "metric = lambda logits: logits[0, -1, good] - logits[0, -1, bad]",
        "patching.get_act_patch_resid_pre(model, corrupted, cache, metric)",
    )

    heading(console, "3", "Each head's output, patched at all words")
    heads = {
        f"L{layer}H{head}": value
        for layer, row in enumerate(findings["heads"])
        for head, value in enumerate(row)
    }
    _print_ranked(console, heads)
    code(console, "patching.get_act_patch_attn_head_out_all_pos(model, corrupted, cache, metric)")


def _print_ranked(console: Console, values: dict[str, float]) -> None:
    rows = table()
    first = sorted(values.items(), key=lambda item: -abs(item[1]))[:MOST]
    for name, value in first:
        rows.add_row(name, f"{value:+.0%}", bar(value, max(1.0, abs(first[0][1]))))
    console.print(rows)


def _text(words: list[str]) -> str:
    return " ".join(words[1:])


def run(args: argparse.Namespace) -> int:
    """The command `patch`."""
    model = load_model(args)
    screen = Screen(highlight=False)
    bars = screen.is_terminal and not args.json
    findings = look(model, args.clean, args.corrupted, args.answer, args.versus, progress=bars)
    if args.json:
        print(json.dumps(findings, indent=1))
    else:
        show(findings, screen)
    if args.plot:
        from minicache import plots  # an optional extra, wanted only here

        title = f"Restored of {findings['answer']!r} less {findings['versus']!r} (1 is all)"
        plots.save(plots.patches(findings["stream"], findings["clean"], title), args.plot)
    return 0
