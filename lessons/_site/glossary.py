"""Link the first use of each term on a page to the glossary, with its meaning on hover.

A word that is no term where it stands (a dictionary's key, a title) is written `<span>key</span>`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

ENTRY = re.compile(r"^\*\*(.+?)\*\*\n: +(.+)$", re.M)
# Code, links, spans, tags, headings and the heads of boxes stay as they are.
KEPT = re.compile(
    r"(^ *(?:#|!!!|\?\?\?|\||<(?!span>)).*$|`[^`\n]*`|!?\[[^\]]*\]\([^)]*\)|"
    r"<span>[^<]*</span>|<[^>]+>|\\\(.*?\\\))",
    re.M,
)


def slug(term: str) -> str:
    """The anchor of a term on the glossary's page."""
    return re.sub(r"\W+", "-", term.lower()).strip("-")


@lru_cache(maxsize=1)
def terms() -> dict[str, str]:
    """Each term with its meaning, in plain text, longer terms first."""
    text = Path(__file__).parents[1].joinpath("glossary.md").read_text("utf-8")
    found = {term: re.sub(r"[`*\[\]]", "", said) for term, said in ENTRY.findall(text)}
    return dict(sorted(found.items(), key=lambda entry: -len(entry[0])))


def anchored(markdown: str) -> str:
    """The glossary's page, with an anchor for each term."""
    return ENTRY.sub(lambda m: f"**{m[1]}**{{ #{slug(m[1])} }}\n:   {m[2]}", markdown)


def linked(markdown: str, used: set[str]) -> str:
    """Prose in which each term not yet `used` is a link where it first stands."""
    pieces, in_code = [], False
    for line in markdown.splitlines(keepends=True):
        in_code ^= line.strip().startswith("```")
        pieces.append(line if in_code or line.strip().startswith("```") else _line(line, used))
    return "".join(pieces)


def _line(line: str, used: set[str]) -> str:
    parts = KEPT.split(line)  # every second part is kept as it is
    parts[::2] = [_words().sub(lambda found: _link(found, used), part) for part in parts[::2]]
    return "".join(parts)


@lru_cache(maxsize=1)
def _words() -> re.Pattern[str]:
    """Any term, also in the plural. One pass: what a link says is not searched again."""
    every = "|".join(map(re.escape, terms()))
    return re.compile(rf"(?<![\w/-])({every})s?(?![\w-])", re.I)


def _link(found: re.Match[str], used: set[str]) -> str:
    [(term, said)] = [entry for entry in terms().items() if entry[0].lower() == found[1].lower()]
    if term in used:
        return found[0]
    used.add(term)
    title = said.replace('"', "'").replace("|", "/")
    return f'[{found[0]}](glossary.md#{slug(term)} "{title}"){{ .term }}'
