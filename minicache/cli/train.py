"""Train the model that ships with the package, from a seed: `python -m minicache train`.

It takes minutes on two cores, and writes a folder that `HookedTransformer.from_pretrained` reads.
The folder also has `card.json` with measurements, `CARD.md` with the same in words, and
`history.json` with the loss during training. The measurements use seeds that training did not use.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from minicache.analysis.heads import induction_score, previous_token_score
from minicache.cli import corpus
from minicache.cli.options import Screen
from minicache.hooks import HookPoint
from minicache.model import HookedTransformer, HookedTransformerConfig
from minicache.model.loading import Parts, save_parts
from minicache.model.tokenizers import WordTokenizer

__all__ = ["evaluate", "head_scores", "make_untrained", "run", "train"]

N_CTX: Final = 48
BATCH: Final = 32
REPEAT: Final = 20  # words that are repeated, in the repeated-words test
EVAL_SEED: Final = 1_000_000


def config(n_layers: int, seed: int) -> HookedTransformerConfig:
    """Make the configuration of the shipped model, with this many layers."""
    return HookedTransformerConfig(
        n_layers=n_layers,
        d_model=64,
        n_ctx=N_CTX,
        d_head=32,
        d_vocab=len(corpus.VOCABULARY),
        init_range=0.02,
        seed=seed,
    )


def make_untrained(n_layers: int, seed: int) -> HookedTransformer:
    """Make a model of the shipped model's sizes, with its initial weights."""
    return HookedTransformer(config(n_layers, seed), WordTokenizer(corpus.VOCABULARY))


def train(
    model: HookedTransformer, seed: int, steps: int, checkpoints: int = 80
) -> Iterator[dict[str, float]]:
    """Train a model in place, on text that `corpus` generates from this seed.

    Args:
        checkpoints: How many rows of history to yield, about.

    Yields:
        Rows of the training's history: the step, the loss, and measurements of induction.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _warmup_cosine(step, steps)
    )
    random = Random(seed)
    for step in range(steps + 1):
        tokens = _tokens(model, [corpus.row(random, N_CTX - 1) for _ in range(BATCH)])
        loss = model(tokens, return_type="loss")
        if step % max(1, steps // checkpoints) == 0:
            yield _checkpoint(model, step, float(loss.detach()))
        if step < steps:
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    model.eval()


@torch.no_grad()
def evaluate(model: HookedTransformer, seed: int = EVAL_SEED, items: int = 200) -> dict[str, float]:
    """Measure what the model can do, on text that was not in its training.

    Returns:
        The accuracies (0 to 1) on repeated random words, on names in held-out pairs, and on facts
        (which were in training); the mean difference of the two names' logits; and the loss, in
        nats, on new rows.
    """
    random = Random(seed)
    sentences = [corpus.names(random, random.choice(corpus.HELD_OUT_PAIRS)) for _ in range(items)]
    taker = torch.tensor([model.to_single_token(name) for _, name, _ in sentences])
    giver = torch.tensor([model.to_single_token(name) for _, _, name in sentences])
    final = model([text for text, _, _ in sentences])[:, -1]
    difference = (final.gather(1, taker[:, None]) - final.gather(1, giver[:, None]))[:, 0]
    facts_correct = [
        model.to_string([int(model(prompt)[0, -1].argmax())]) == answer
        for prompt, answer in corpus.FACTS
    ]
    rows = [corpus.row(random, N_CTX - 1) for _ in range(items)]
    return {
        "repeated_words": _repeat_accuracy(model, _repeated_tokens(model, seed, items)),
        "held_out_names": float((final.argmax(-1) == taker).float().mean()),
        "name_logit_difference": float(difference.mean()),
        "facts": sum(facts_correct) / len(facts_correct),
        "loss": float(model(_tokens(model, rows), return_type="loss")),
    }


@torch.no_grad()
def head_scores(
    model: HookedTransformer, seed: int = EVAL_SEED, items: int = 100
) -> list[dict[str, Any]]:
    """Measure two attention scores of each head, and the model's accuracy without the head.

    `previous_token` is the mean attention to the token before. `induction` is the mean attention,
    in the second half of repeated random words, to the token after the same word's last occurrence.
    `repeated_words_without` is the accuracy on repeated words with the head's z set to its mean.
    """
    tokens = _repeated_tokens(model, seed, items)
    _, cache = model.run_with_cache(tokens)
    previous, induction = previous_token_score(cache), induction_score(cache, REPEAT)
    scores = []
    for layer in range(model.cfg.n_layers):
        for head in range(model.cfg.n_heads):
            without = _repeat_accuracy(model, tokens, [(layer, head)])
            scores.append(
                {
                    "head": f"L{layer}H{head}",
                    "previous_token": float(previous[layer, head]),
                    "induction": float(induction[layer, head]),
                    "repeated_words_without": without,
                }
            )
    return scores


@torch.no_grad()
def without_heads(
    model: HookedTransformer, heads: Sequence[str], seed: int = EVAL_SEED, items: int = 100
) -> float:
    """Measure the accuracy on repeated words with the z of these heads (`L1H0`) set to its mean."""
    numbers = (head.removeprefix("L").split("H") for head in heads)
    pairs = [(int(layer), int(head)) for layer, head in numbers]
    return _repeat_accuracy(model, _repeated_tokens(model, seed, items), pairs)


def _tokens(model: HookedTransformer, rows: list[list[str]]) -> Tensor:
    return model.to_tokens([" ".join(words) for words in rows])


def _repeated_tokens(model: HookedTransformer, seed: int, items: int) -> Tensor:
    random = Random(seed + 1)
    return _tokens(model, [corpus.repeats(random, REPEAT, 2 * REPEAT) for _ in range(items)])


def _repeat_accuracy(
    model: HookedTransformer, tokens: Tensor, without: Sequence[tuple[int, int]] = ()
) -> float:
    """Measure the accuracy of next-word predictions in the second half of repeated words.

    Args:
        without: Heads as (layer, head), whose z is replaced by its mean over batch and positions.
    """

    def ablate(z: Tensor, hook: HookPoint) -> Tensor:
        z = z.clone()
        for head in [head for layer, head in without if layer == hook.layer()]:
            z[:, :, head] = z[:, :, head].mean((0, 1))
        return z

    with model.hooks(
        [(f"blocks.{layer}.attn.hook_z", ablate) for layer in {layer for layer, _ in without}]
    ):
        predicted = model(tokens)[:, REPEAT + 1 : -1].argmax(-1)
    return float((predicted == tokens[:, REPEAT + 2 :]).float().mean())


@torch.no_grad()
def _checkpoint(model: HookedTransformer, step: int, loss: float) -> dict[str, float]:
    tokens = _repeated_tokens(model, EVAL_SEED, 20)
    _, cache = model.run_with_cache(tokens, names_filter=lambda name: "pattern" in name)
    return {
        "step": step,
        "loss": round(loss, 4),
        "induction_score": round(float(induction_score(cache, REPEAT).max()), 4),
        "previous_token_score": round(float(previous_token_score(cache).max()), 4),
        "repeated_words": round(_repeat_accuracy(model, tokens), 4),
    }


def _warmup_cosine(step: int, steps: int) -> float:
    warmup = max(1, steps // 20)
    if step < warmup:
        return (step + 1) / warmup
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def card_text(card: dict[str, Any]) -> str:
    """Write the model card's text, given its measurements."""
    figures, made = card["figures"], card["made"]
    heads = "\n".join(
        "| {head} | {previous_token:.2f} | {induction:.2f} | {repeated_words_without:.1%} |".format(
            **head
        )
        for head in card["heads"]
    )
    return f"""# The model that ships with minicache

A GPT-2-shaped transformer: {made["layers"]} layers, {made["parameters"]:,} parameters, \
{len(corpus.VOCABULARY)} words.
It is for lessons, and knows only the text it was trained on. `python -m minicache train` makes it.

Made with seed {made["seed"]}, {made["steps"]:,} steps of {BATCH} rows of {N_CTX} tokens.

## What it can do

Measured on seeds that training did not use, and on name pairs that it never met.

| task | figure |
|---|---|
| repeated random words, next word right | {figures["repeated_words"]:.1%} |
| names in pairs never met, right | {figures["held_out_names"]:.1%} |
| mean logit difference of the two names | {figures["name_logit_difference"]:.1f} |
| facts right ({len(corpus.FACTS)} facts, all in training) | {figures["facts"]:.1%} |
| loss on fresh text, nats a token | {figures["loss"]:.3f} |

## Its heads

Mean attention to the previous token, mean attention of an induction head's kind, and the share of
repeated words right when the head's z is replaced by its mean.

| head | previous token | induction | repeated words without it |
|---|---|---|---|
{heads}

Induction heads: {", ".join(card["induction_heads"]) or "none"}.
Repeated words right without all of these at once: \
{card["repeated_words_without_induction_heads"]:.1%}.
Previous-token heads: {", ".join(card["previous_token_heads"]) or "none"}.
"""


def write_folder(
    folder: Path, model: HookedTransformer, history: list[dict[str, float]], seed: int, steps: int
) -> dict[str, Any]:
    """Write the model, its card and its history. Returns the card."""
    heads = head_scores(model)
    induction = [head["head"] for head in heads if head["induction"] > 0.4]
    card = {
        "made": {
            "layers": model.cfg.n_layers,
            "seed": seed,
            "steps": steps,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
        },
        "figures": evaluate(model),
        "heads": heads,
        "induction_heads": induction,
        "repeated_words_without_induction_heads": without_heads(model, induction),
        "previous_token_heads": [h["head"] for h in heads if h["previous_token"] > 0.4],
    }
    save_parts(
        folder, Parts(model.config_dict(), model.state_dict(), WordTokenizer(corpus.VOCABULARY))
    )
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (folder / "CARD.md").write_text(card_text(card), encoding="utf-8")
    (folder / "history.json").write_text(json.dumps(history) + "\n", encoding="utf-8")
    return card


def run(args: argparse.Namespace) -> int:
    """The command `train`."""
    args.out.mkdir(parents=True, exist_ok=True)  # a wrong path raises before the training
    torch.set_num_threads(1)  # more threads add in another order, and the weights differ
    console = Screen()
    columns = (TextColumn("training"), BarColumn(), TextColumn("loss {task.fields[loss]:.3f}"))
    model, history = make_untrained(args.layers, args.seed), []
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("training", total=args.steps, loss=math.nan)
        for row in train(model, args.seed, args.steps):
            history.append(row)
            progress.update(task, completed=row["step"], loss=row["loss"])
    card = write_folder(args.out, model, history, args.seed, args.steps)
    for name, figure in card["figures"].items():
        console.print(f"{name:24} {figure:8.3f}", highlight=False)
    console.print(f"Written to {args.out}. Load it with from_pretrained('{args.out}').")
    return 0
