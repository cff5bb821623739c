"""Patch one prompt's activations into another's run: `python -m minicache patch CLEAN CORRUPTED`.

Each activation of the clean run is put into the corrupted run in turn. The logit difference of the
two answers then says how much it restores: 0 % is the corrupted run, and 100 % the clean one.
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
    """Patch the stream and the heads' outputs, and return the effects as plain data.

    Args:
        answer: The clean prompt's next word; None takes the likeliest.
        versus: The corrupted prompt's next word; None takes the likeliest.
        progress: Show a progress bar.

    Raises:
        ConfigError: the prompts differ in length, or both runs have the same logit difference.
        TokenError: the model cannot read a prompt or a word.
    """
    clean_tokens, corrupted_tokens = model.to_tokens(clean), model.to_tokens(corrupted)
    if clean_tokens.shape != corrupted_tokens.shape:
        raise ConfigError(
            f"The prompts have {clean_tokens.shape[1]} and {corrupted_tokens.shape[1]} tokens. "
            f"Give two of the same length, because each position is patched with the same position "
            f"of the other run."
        )
    with torch.no_grad():
        clean_logits, cache = model.run_with_cache(clean_tokens)
        corrupted_logits = model(corrupted_tokens)
    words = [
        str(model.to_string(logits[0, -1:].argmax(-1))) if word is None else word
        for word, logits in ((answer, clean_logits), (versus, corrupted_logits))
    ]
    good, bad = (model.to_single_token(word) for word in words)

    def difference(logits: Tensor) -> Tensor:
        return logits[0, -1, good] - logits[0, -1, bad]

    clean_value, corrupted_value = map(float, map(difference, (clean_logits, corrupted_logits)))
    if abs(clean_value - corrupted_value) < 1e-6:
        raise ConfigError(
            f"Both prompts give the same logit difference of {words[0]!r} and {words[1]!r}, "
            f"{clean_value:.3f}, so nothing can be restored. Give other words with --answer and "
            f"--versus."
        )

    def normalize(values: Tensor) -> list[list[float]]:
        return ((values - corrupted_value) / (clean_value - corrupted_value)).tolist()

    arguments = (model, corrupted_tokens, cache, difference)
    return {
        "clean": model.to_str_tokens(clean),
        "corrupted": model.to_str_tokens(corrupted),
        "answer": words[0],
        "versus": words[1],
        "clean_difference": clean_value,
        "corrupted_difference": corrupted_value,
        "stream": normalize(patching.get_act_patch_resid_pre(*arguments, progress=progress)),
        "heads": normalize(
            patching.get_act_patch_attn_head_out_all_pos(*arguments, progress=progress)
        ),
    }


def show(findings: dict[str, Any], console: Console) -> None:
    """Draw the findings in 80 columns. Neither colour nor a terminal is needed."""
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
        f"_, cache = model.run_with_cache({_join_without_bos(findings['clean'])!r})",
        f"corrupted = model.to_tokens({_join_without_bos(findings['corrupted'])!r})",
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


def _join_without_bos(words: list[str]) -> str:
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
