"""The live model's weights as a script, and what a page shows where no script runs."""

from __future__ import annotations

import base64
import html
import json
import re
import time
from dataclasses import asdict
from functools import lru_cache
from typing import Any

ELEMENT = re.compile(r"^<mini-model\b([^>]*)></mini-model>$", re.M)
WANTED = ("n_layers", "d_model", "n_ctx", "d_head", "d_vocab", "n_heads", "d_mlp", "eps")


@lru_cache(maxsize=1)
def model() -> Any:
    """The shipped model."""
    import minicache

    return minicache.HookedTransformer.from_pretrained()


def weights_script() -> str:
    """All weights in float32, bit for bit, as a JavaScript file."""
    import torch

    shipped = model()
    tensors = dict(shipped.state_dict())
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors.values()])
    about = {
        "cfg": {name: asdict(shipped.cfg)[name] for name in WANTED},
        "words": shipped.tokenizer.words,
        "shapes": {name: list(tensor.shape) for name, tensor in tensors.items()},
        "torchMs": round(forward_ms(), 3),
        "base64": base64.b64encode(flat.numpy().astype("<f4").tobytes()).decode(),
    }
    return f"minicache.shipped = {json.dumps(about, separators=(',', ':'))}\n"


def forward_ms(times: int = 60) -> float:
    """PyTorch's fastest forward pass, on one thread: other work of the building machine aside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    tokens = model().to_tokens("When Mary and John went to the shop , John gave a book to")
    took = []
    try:
        with torch.no_grad():
            for _ in range(times):
                start = time.perf_counter()
                model()(tokens)
                took.append((time.perf_counter() - start) * 1000)
    finally:
        torch.set_num_threads(before)
    return min(took)


def with_fallbacks(markdown: str) -> str:
    """Put a picture into each live model: what it says, and where each head looks."""
    return ELEMENT.sub(lambda match: _element(match[1]), markdown)


def _element(attributes: str) -> str:
    named = dict(re.findall(r'(\w+)="(.*?)"', attributes))
    picture = _picture(html.unescape(named["text"]))
    return f'<div class="live" markdown="0"><mini-model{attributes}>{picture}</mini-model></div>'


def _picture(text: str) -> str:
    """Bars of the five most likely next words, and the attention of all heads, as one SVG."""
    import torch

    with torch.no_grad():
        logits, cache = model().run_with_cache(text)
    best = logits[0, -1].softmax(-1).topk(5)
    words = [model().tokenizer.words[index] for index in best.indices]
    drawn = []
    for row, (word, share) in enumerate(zip(words, best.values.tolist(), strict=True)):
        y = 24 + 24 * row
        drawn.append(
            f'<text x="78" y="{y + 12}" text-anchor="end">{html.escape(word)}</text>'
            f'<rect x="86" y="{y}" width="{1 + 110 * share:.1f}" height="16"/>'
            f'<text x="{93 + 110 * share:.1f}" y="{y + 12}">{share:.0%}</text>'
        )
    heads = cache.stack_activation("pattern")[:, 0].flatten(0, 1)
    size = 58 / heads.shape[-1]
    per_layer = model().cfg.n_heads
    for number, pattern in enumerate(heads):
        layer, head = divmod(number, per_layer)
        left, top = 290 + 75 * layer, 24 + 84 * head
        drawn.append(
            f'<text x="{left}" y="{top - 5}">L{layer}H{head}</text><rect class="frame" '
            f'x="{left}" y="{top}" width="58" height="58"/>'
        )
        drawn += [
            f'<rect x="{left + key * size:.1f}" y="{top + query * size:.1f}" '
            f'width="{size:.1f}" height="{size:.1f}" opacity="{pattern[query, key]:.2f}"/>'
            for query, key in (pattern > 0.04).nonzero().tolist()
        ]
    said = (
        f"After “{html.escape(text)}” the model expects {html.escape(words[0])} "
        f"({best.values[0]:.0%}). On the right: where each head looks."
    )
    return (
        f'<figure><svg data-search-exclude role="img" aria-label="{said}" '
        f'viewBox="0 0 520 184" font-size="12">'
        f"{''.join(drawn)}</svg><figcaption>{said} With JavaScript this picture is the model "
        "itself, and the sentence can be changed.</figcaption></figure>"
    )
