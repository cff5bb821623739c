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
    """The residual stream from words to logits, with some parts lit, as an SVG in a figure."""
    parts = lit.split()

    def group(part: str, inner: str) -> str:
        return f'<g class="{"lit" if part in parts else "unlit"}">{inner}</g>'

    def box(x: int, width: int, text: str, y: int = 12) -> str:
        return (
            f'<rect class="part" x="{x}" y="{y}" width="{width}" height="28" rx="5"/>'
            f'<text x="{x + width / 2}" y="{y + 18}">{text}</text>'
        )

    drawn = [
        group("stream", '<path class="wire" d="M112 72H654m-7-5 7 5-7 5"/>'),
        group("words", '<text x="26" y="76">words</text>'),
        group("embed", '<path class="wire" d="M48 72h4"/>' + box(52, 60, "embed", 58)),
    ]
    dots = [124, 640]
    for layer in range(3):
        x = 140 + 168 * layer
        for part, text, left, width in (("attn", "attention", x, 76), ("mlp", "MLP", x + 88, 56)):
            middle, after = left + 14, left + width - 14
            wires = f'<path class="wire" d="M{middle} 72V40m{after - middle} 0V66"/>'
            drawn.append(group(part, wires + box(left, width, text)))
            dots += [after, left + width + 6]
        drawn.append(f'<text x="{x + 72}" y="92">block {layer}</text>')
    drawn.append(group("ln", box(654, 40, "LN", 58)))
    drawn.append(
        group("unembed", box(700, 66, "unembed", 58) + '<text x="790" y="76">logits</text>')
    )
    circles = "".join(f'<circle class="part" cx="{x}" cy="72" r="4"/>' for x in dots)
    drawn.append(group("hooks", circles))
    said = "This page is about " + ", ".join(SAID[part] for part in parts) + "."
    return (
        '<figure class="stream" markdown="0"><svg role="img" aria-label="The residual stream, '
        f'from words to logits. {said}" viewBox="0 0 816 98">{"".join(drawn)}</svg></figure>'
    )


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
    links = [f"[{titles[n][1]}]({titles[n][0]})" for n in needs if n in titles]
    facts.append("before it: " + (", ".join(links) if links else "[Start here](index.md)"))
    line = " · ".join(facts)
    return f"{line}\n{{ .head-line }}\n\n{stream(lit)}\n"


def theme(name: str) -> str:
    """The theme under which a page's decisions are listed."""
    return COURSE.get(number(name) or 0, ([], "", "The project"))[2]
