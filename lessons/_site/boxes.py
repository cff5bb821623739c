"""Boxes of a page (a decision, a guess, a fold): as the site and as a notebook need them."""

from __future__ import annotations

import re

HEAD = re.compile(r'^ *(?:!!!|\?\?\?\+?) (\w+)(?: "(.*)")?$')
CLOSED = "What comes out"  # what a closed answer says
ANSWER = re.compile(r'^( *)\?\?\?\+? answer "(.+)"$', re.M)


def closed(markdown: str) -> str:
    """The answer's title moves into the fold: outside it would give the answer away."""
    return ANSWER.sub(rf'\1??? answer "{CLOSED}"\n\n\1    **\2.**\n', markdown)


def plain(markdown: str) -> str:
    """The prose as a notebook shows it, where Markdown knows no boxes and no live model."""
    lines, in_code = [], False
    for line in markdown.splitlines():
        in_code ^= line.strip().startswith("```")
        head = HEAD.match(line)
        if head and not in_code:
            line = f"**{head[2] or head[1].capitalize()}**"
        elif line.startswith("<mini-model"):
            line = "*(On the page of the site, the live model stands here.)*"
        lines.append(line if in_code else re.sub(r"^(?: {4})+", "", line))
    return "\n".join(lines)
