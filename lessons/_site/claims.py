"""Hold the numbers in a page's prose to what the page computed, or to their source.

A number in prose is one of these, or the page does not build:

- part of a name: lesson 8, block 0, L1H0, Python 3.11, a year of a paper;
- what the page's own code has or prints, rounded as the prose rounds it;
- cited: its paragraph links to a page elsewhere, or names a file of the repository that holds it
  (`tests/benchmarks/peers.json`; also in a comment, `<!-- source: that file -->`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

__all__ = ["ROOT", "found", "unfounded"]

ROOT = Path(__file__).parents[2]
# Numbers in words, from eleven on; and shares, which are told in round words.
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
TEENS = "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
WORDS = {
    **{word: 11 + place for place, word in enumerate(TEENS)},
    **{word: 20 + 10 * place for place, word in enumerate(TENS)},
    "a hundred": 100,
    "two hundred": 200,
    "a thousand": 1000,
    "a million": 10**6,
    "a billion": 10**9,
}
SHARES = {
    "three quarters": Decimal("0.75"),
    "two thirds": Decimal(2) / 3,
    "a third of": Decimal(1) / 3,
    "one third": Decimal(1) / 3,
    "a twentieth": Decimal("0.05"),
}
IN_WORDS = re.compile(rf"(?<![\w-])({'|'.join([*WORDS, *SHARES])})(?![\w-])", re.I)
NUMBER = re.compile(
    r"(?<![\w.^])\d[\d,_]*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w^])(?: ?(%|[kMGT]?B\b|bytes))?"
)
IN_CODE = re.compile(r"(?<![A-Za-z_.\d])\d[\d,_]*(?:\.\d+)?(?:e[-+]?\d+)?")
# What is no claim: code, mathematics, tags; numbers that order; and names that end in one.
FENCED = re.compile(r"^( *)```.*?^\1```", re.M | re.S)
NO_PROSE = re.compile(r"`[^`\n]*`|\\\(.*?\\\)|<[^>]+>", re.S)
NAMES = re.compile(
    r"^ *#+ \d+b? |^ *(?:## )?\d+\. |\b(?:19|20)\d\d\b|"
    r"\b(?:lessons?|exercises?|blocks?|layers?|methods?|positions?|rows?|sizes?|times|versions?|"
    r"Python|torch|TransformerLens|nnsight|baukit|torchlens|Gemma|\w+-)"
    r" ?\d[\d.]*b?(?:(?:, | and | or | to )\d[\d.]*)*\b(?! ?%)",
    re.M | re.I,
)
SCALE = {"%": "0.01", "kB": "1e3", "MB": "1e6", "GB": "1e9", "TB": "1e12"}


def found(text: str) -> set[Decimal]:
    """All numbers in code or in what it printed."""
    return {_value(token) for token in IN_CODE.findall(text)}


def unfounded(prose: Iterable[str], computed: set[Decimal]) -> Iterator[str]:
    """The numbers in prose that nothing stands behind, with the words around them."""
    for text in prose:
        for paragraph in re.split(r"\n\s*\n", FENCED.sub("", text)):
            if "](http" in paragraph:
                continue
            known = computed | _sources(paragraph)
            plain = NAMES.sub("", NO_PROSE.sub("", paragraph))
            bare = [match for match in NUMBER.finditer(plain) if not _known(match, known)]
            bare += [match for match in IN_WORDS.finditer(plain) if not _in_words(match[1], known)]
            for match in bare:
                around = plain[max(0, match.start() - 30) : match.end() + 20]
                yield f"{match[0].strip()} in {' '.join(around.split())!r}"


def _sources(paragraph: str) -> set[Decimal]:
    """The numbers in the files of the repository that a paragraph names."""
    named = re.findall(r"`([\w./-]+\.\w+)`|<!-- source: (\S+) -->", paragraph)
    files = [ROOT / (one or other) for one, other in named]
    return set().union(*(found(file.read_text("utf-8")) for file in files if file.is_file()))


def _known(match: re.Match[str], known: set[Decimal]) -> bool:
    token = re.match(r"[\d,_.e+-]+", match[0])[0].rstrip(",.")
    said, decimals = _value(token), len(token.partition(".")[2])
    scale = Decimal(SCALE.get(match[1] or "", "1"))
    step = Decimal(1).scaleb(-decimals)
    return any(
        abs(value / unit - said) <= step / 2 for value in known for unit in (Decimal(1), scale)
    )


def _in_words(words: str, known: set[Decimal]) -> bool:
    words = words.lower()
    if words in WORDS:
        return Decimal(WORDS[words]) in known
    share = SHARES[words]  # in words to a tenth of itself; printed as a share or as a percentage
    return any(abs(value / unit - share) <= share / 10 for value in known for unit in (1, 100))


def _value(token: str) -> Decimal:
    return Decimal(token.replace(",", "").replace("_", ""))
