"""Draw an SVG in the site's own colours, light or dark, and put it into a figure.

Each drawing is 380 units wide, so that its text can be read on a phone.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field
from zlib import crc32

from markdown import markdown

__all__ = ["AGAINST", "FOR", "INK", "LINE", "LIT", "QUIET", "SOFT", "WIDTH", "Drawing", "figure"]

WIDTH = 380
# The page's colours; a notebook, which has no style sheet of ours, takes the second of each.
INK = "currentColor"
FOR = "var(--mc-for, #0b6a86)"
AGAINST = "var(--mc-against, #b04a1f)"
LINE = "var(--mc-line, #c3ccd1)"
SOFT = "var(--mc-soft, #eef3f5)"
LIT = "var(--mc-lit, #ffe3cf)"
QUIET = "var(--mc-quiet, #4c5a63)"


@dataclass
class Drawing:
    """An SVG that is being drawn: its marks, and what it says to those who do not see it."""

    height: float
    said: str
    marks: list[str] = field(default_factory=list)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        at: str = "start",
        size: float = 12,
        colour: str = INK,
        bold: bool = False,
        code: bool = False,
    ) -> None:
        """Words whose baseline is at y; `at` is "start", "middle" or "end"."""
        style = f"font-size:{size}px;fill:{colour}" + (";font-weight:700" if bold else "")
        style += ";font-family:var(--md-code-font-family,monospace)" if code else ""
        anchor = "" if at == "start" else f' text-anchor="{at}"'
        self.marks.append(
            f'<text x="{x:g}" y="{y:g}"{anchor} style="{style}">{html.escape(words)}</text>'
        )

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str = "none",
        stroke: str = LINE,
        round: float = 4,
        dashed: bool = False,
    ) -> None:
        dash = ";stroke-dasharray:4 3" if dashed else ""
        self.marks.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{round:g}" '
            f'style="fill:{fill};stroke:{stroke};stroke-width:1.4{dash}"/>'
        )

    def titled(
        self,
        x: float,
        y: float,
        width: float,
        words: str,
        *,
        height: float = 26,
        fill: str = SOFT,
        code: bool = False,
        bold: bool = False,
    ) -> None:
        """A box with words in its middle."""
        self.box(x, y, width, height, fill=fill)
        self.text(x + width / 2, y + height / 2 + 4, words, at="middle", code=code, bold=bold)

    def path(
        self, path: str, *, colour: str = QUIET, width: float = 1.6, dashed: bool = False
    ) -> None:
        dash = ";stroke-dasharray:4 3" if dashed else ""
        self.marks.append(
            f'<path d="{path}" style="fill:none;stroke:{colour};stroke-width:{width:g}{dash}"/>'
        )

    def arrow(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        *,
        colour: str = QUIET,
        dashed: bool = False,
    ) -> None:
        """A straight line with a head at its end."""
        length = math.hypot(x2 - x1, y2 - y1)
        along_x, along_y = (x2 - x1) / length, (y2 - y1) / length
        back_x, back_y = x2 - 7 * along_x, y2 - 7 * along_y
        self.path(f"M{x1:g} {y1:g}L{x2:g} {y2:g}", colour=colour, dashed=dashed)
        self.path(
            f"M{back_x - 4 * along_y:.1f} {back_y + 4 * along_x:.1f}L{x2:g} {y2:g}"
            f"L{back_x + 4 * along_y:.1f} {back_y - 4 * along_x:.1f}",
            colour=colour,
        )

    def dot(self, x: float, y: float, radius: float = 5, *, colour: str = FOR) -> None:
        self.marks.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" style="fill:{colour}"/>')

    def svg(self, title: str) -> str:
        """The picture as an SVG of its own, with a title and a description."""
        mark = f"p{crc32((title + self.said).encode())}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{mark}t" '
            f'aria-describedby="{mark}d" viewBox="0 0 {WIDTH} {self.height:g}" '
            f'font-family="sans-serif"><title id="{mark}t">{html.escape(title)}</title>'
            f'<desc id="{mark}d">{html.escape(self.said)}</desc>{"".join(self.marks)}</svg>'
        )


def figure(svg: str, caption: str, kind: str = "picture") -> str:
    """A picture with its caption, for the page: of `kind` "picture", or "plot" for matplotlib's.

    The words in it are single labels, which tell nothing among a search's results.
    """
    svg = svg.replace("<svg ", "<svg data-search-exclude ", 1)
    caption = markdown(caption).removeprefix("<p>").removesuffix("</p>")
    return f'<figure class="{kind}" markdown="0">{svg}<figcaption>{caption}</figcaption></figure>'
