"""What stands at the head of each lesson: its place in the stream, what it needs, how long it is.

The stream's picture is the same on every page, with another part lit. Minutes are counted from the
page itself: 200 words of prose and 15 lines of code a minute.
"""

from __future__ import annotations

import re
from typing import Final

# lesson: (lessons that it builds on, parts of the picture that are lit, theme of its decisions)
COURSE: Final[dict[int, tuple[list[int], str, str]]] = {
    1: ([], "embed attn mlp unembed", "The model and its files"),
    2: ([], "hooks", "Hooks"),
    3: ([2], "hooks stream", "The cache"),
    4: ([3], "embed attn mlp", "The arithmetic"),
    5: ([4], "ln unembed", "The arithmetic"),
    6: ([5], "attn", "Causes"),
    7: ([6], "hooks", "Causes"),
    8: ([7], "attn", "Causes"),
    9: ([3], "hooks", "Addresses, errors and arguments"),
    10: ([9], "hooks", "Addresses, errors and arguments"),
    11: ([4], "words", "Addresses, errors and arguments"),
    12: ([3], "stream", "Gradients, memory and devices"),
    13: ([3], "embed attn mlp unembed", "Gradients, memory and devices"),
    14: ([5], "attn mlp", "The arithmetic"),
    15: ([4], "embed attn mlp unembed", "Other models and tools"),
    16: ([5], "embed attn mlp unembed", "Other models and tools"),
    17: ([3], "stream", "Whole data sets"),
}
SAID: Final = {
    "words": "the words and their positions",
    "embed": "the embeddings",
    "attn": "attention",
    "mlp": "the MLPs",
    "stream": "the residual stream",
    "hooks": "the hook points, at every place marked by a dot",
    "ln": "the final LayerNorm",
    "unembed": "the unembedding",
}


def number(name: str) -> int | None:
    """The lesson's number, from its file's name; None for a page that is no lesson."""
    found = re.match(r"(\d\d)_", name)
    return int(found[1]) if found else None


def minutes(prose: str, code_lines: int) -> int:
    """How long reading takes, in steps of five minutes."""
    return max(5, 5 * round((len(prose.split()) / 200 + code_lines / 15) / 5))


def stream(lit: str) -> str:
    """The residual stream from words to logits, with some parts lit, as an SVG in a figure.

    Twice: with every block for a wide screen, and with one block for a narrow one.
    """
    parts = lit.split()
    said = "The residual stream, from words to logits. Each of three blocks has attention and an "
    said += "MLP, which read it and add to it."
    if parts:
        said += " This page is about " + ", ".join(SAID[part] for part in parts) + "."
    wide, narrow = _wide(parts), _narrow(parts)
    drawn = (
        f'<svg data-search-exclude class="{name}" role="img" aria-label="{said}" '
        f'viewBox="0 0 {size} 98">{inner}</svg>'
        for name, size, inner in (("when-wide", 816, wide), ("when-narrow", 380, narrow))
    )
    return f'<figure class="stream" markdown="0">{"".join(drawn)}</figure>'


def _wide(parts: list[str]) -> str:
    drawn = [
        _group(parts, "stream", '<path class="wire" d="M112 72H654m-7-5 7 5-7 5"/>'),
        _group(parts, "words", _text(26, 76, "words")),
        _group(parts, "embed", '<path class="wire" d="M48 72h4"/>' + _box(52, 60, "embed", 58)),
    ]
    dots = [124, 640]
    for layer in range(3):
        x = 140 + 168 * layer
        for part, text, left, width in (("attn", "attention", x, 76), ("mlp", "MLP", x + 88, 56)):
            drawn.append(_group(parts, part, _reader(left, width, text)))
            dots += [left + width - 14, left + width + 6]
        drawn.append(_text(x + 72, 92, f"block {layer}"))
    drawn.append(_group(parts, "ln", _box(654, 40, "LN", 58)))
    logits = _box(700, 66, "unembed", 58) + _text(790, 76, "logits")
    return "".join([*drawn, _group(parts, "unembed", logits), _dots(parts, dots)])


def _narrow(parts: list[str]) -> str:
    drawn = [
        _group(parts, "stream", '<path class="wire" d="M84 72H240m-7-5 7 5-7 5"/>'),
        _group(parts, "words", _text(18, 76, "words")),
        _group(parts, "embed", _box(38, 46, "embed", 58)),
        _group(parts, "attn", _reader(104, 66, "attention")),
        _group(parts, "mlp", _reader(178, 44, "MLP")),
        _text(163, 92, "blocks 0, 1 and 2"),
        _group(parts, "ln", _box(240, 30, "LN", 58)),
        _group(parts, "unembed", _box(276, 60, "unembed", 58) + _text(359, 76, "logits")),
        _dots(parts, [94, 156, 174, 208, 228]),
    ]
    return "".join(drawn)


def _group(parts: list[str], part: str, inner: str) -> str:
    return f'<g class="{"lit" if part in parts else "unlit"}">{inner}</g>'


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:g}" y="{y:g}">{words}</text>'


def _box(x: int, width: int, words: str, y: int = 12) -> str:
    box = f'<rect class="part" x="{x}" y="{y}" width="{width}" height="28" rx="5"/>'
    return box + _text(x + width / 2, y + 18, words)


def _reader(left: int, width: int, words: str) -> str:
    """A box above the stream, with a wire up and one down."""
    middle, after = left + 14, left + width - 14
    wires = f'<path class="wire" d="M{middle} 72V40m{after - middle} 0V66"/>'
    return wires + _box(left, width, words)


def _dots(parts: list[str], places: list[int]) -> str:
    circles = "".join(f'<circle class="part" cx="{x}" cy="72" r="4"/>' for x in places)
    return _group(parts, "hooks", circles)


def head(name: str, titles: dict[int, tuple[str, str]], prose: str, code_lines: int) -> str:
    """The picture and a line of facts, for a lesson; nothing for another page.

    Args:
        titles: For each lesson's number its file and its title.
    """
    here = number(name)
    if here not in COURSE:
        return ""
    needs, lit, _ = COURSE[here]
    facts = [f"about {minutes(prose, code_lines)} minutes to read"]
    if titles[here][0] != f"{name}.md":  # a lesson's second page builds on its first
        needs = [here]
    links = [f"[{titles[n][1]}]({titles[n][0]})" for n in needs if n in titles]
    facts.append("before it: " + (", ".join(links) if links else "[Start here](index.md)"))
    line = " · ".join(facts)
    return f"{line}\n{{ .head-line }}\n\n{stream(lit)}\n"


def theme(name: str) -> str:
    """The theme under which a page's decisions are listed."""
    return COURSE.get(number(name) or 0, ([], "", "The project"))[2]
