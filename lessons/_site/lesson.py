"""A lesson: Markdown with a few fences of our own, rendered as a page and as a notebook.

    ```source minicache.cache:ActivationCache.__getitem__    the package's own code, by name,
    name = self._full_name(address) :: a note                without docstrings; a note stands
    ```                                                      beside the line that holds the fragment
    ```source lessons/live/model.js                          a file of another language, by its path
    ```rest minicache.cache                                  what of a module, or of a folder of
                                                             modules, this page has not shown yet
    ```run                                                   run it, show code and output
    ```run both                                              it also runs in TransformerLens: see
                                                             tests/parity/test_snippets.py
    ```check                                                 run it, show nothing: asserts
    ```fails SliceRangeError                                 it has to raise exactly this class;
                                                             show the message
    ```figure alt="what is seen" caption="what to see"       it ends with a matplotlib Figure
    ```picture name title="what it is" caption="what to see" a diagram of pictures.py; its code is
                                                             not shown, and ends with a dict of
                                                             what the diagram asks for, if it does

A question before an experiment is an admonition, a list of two or three answers, and what comes
out. The reader's choice opens it; without JavaScript it opens with a click. The answer may hold
fences of ours, indented as it is:

    !!! guess "Which head does the model need most?"

        - L0H0, which looks one word back
        - L1H0, which does induction
        - neither: one stands in for the other

        ??? answer "What happens"

            ```run
            accuracy((0, 0)), accuracy((1, 0))
            ```

The live model is one line, and takes the panels that the page needs (see lessons/live/panels.js):

    <mini-model panels="edit next heads" text="The capital of France is"></mini-model>

All code of a page runs in one session. A picture's code, which no notebook has, may name
REPOSITORY. `\\( .. \\)` is mathematics, and becomes MathML.
"""

from __future__ import annotations

import ast
import contextlib
import io
import logging
import os
import re
import traceback
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pprint import pformat
from typing import Any
from zlib import crc32

import boxes
import claims
import drawing
import glossary
import listing
import notebooks
import pictures
from sources import LessonError, definitions, file_source, modules, source

FENCE = re.compile(
    r"^( *)```(source|rest|run|check|fails|figure|picture)\b *(.*?)\n(.*?)^\1```$", re.M | re.S
)
DECISION = re.compile(r'^!!! decision "(.+?)"\n((?:(?: {4}.*)?\n)+)', re.M)
RUN = ("run", "check", "fails", "figure", "picture")
GUESSES = re.compile(r"^( *)!!! guess .*?(?=^ +\?\?\?\+? answer)", re.M | re.S)
FIELDS = (
    "Context",
    "Choice",
    "What else was possible",
    "What it costs",
    "What TransformerLens does",
)


@dataclass
class Block:
    """A piece of a lesson: prose (kind "text"), or a fence of ours."""

    kind: str
    text: str
    info: str = ""
    indent: str = ""


@dataclass
class Lesson:
    """A page's blocks, and what building it found out."""

    name: str
    markdown: str
    shown: set[str] = field(default_factory=set)
    executed: int = 0
    asserted: int = 0
    code_lines: int = 0  # of all code that stands open on the page
    shortened: dict[str, str] = field(default_factory=dict)
    linked: set[str] = field(default_factory=set)
    computed: set[Decimal] = field(default_factory=set)  # the numbers in code and in what it gave
    drawn: dict[str, str] = field(default_factory=dict)  # by their fence: SVGs of pictures.py

    def blocks(self) -> Iterator[Block]:
        end = 0
        for match in FENCE.finditer(self.markdown):
            if before := self.markdown[end : match.start()]:
                yield Block("text", before)
            indent, kind, info, body = match.groups()
            lines = [line.removeprefix(indent) for line in body.splitlines()]
            yield Block(kind, "\n".join(lines), info.strip(), indent)
            end = match.end()
        yield Block("text", self.markdown[end:])

    def page(self) -> str:
        """The page's Markdown, with all code run and all sources in their place."""
        session, parts = Session(), []
        with session:
            for block in self.blocks():
                try:
                    made = getattr(self, f"_{block.kind}")(block, session)
                except LessonError as error:
                    raise LessonError(f"{self.name}: {error}") from error
                if block.kind in ("run", "fails", "figure"):
                    self.code_lines += len(block.text.splitlines())
                if block.kind in RUN:
                    said = re.sub(r"<[^>]+>", " ", made) if "<svg" in made else made
                    self.computed |= claims.found(f"{block.text}\n{said}")
                parts.append(
                    "\n".join(block.indent + line if line else "" for line in made.split("\n"))
                )
        bare = list(claims.unfounded(map(_claimed, self.blocks()), self.computed))
        if bare:
            raise LessonError(
                f"{self.name}: no code of the page gives these numbers, and no source is named: "
                + "; ".join(bare)
            )
        return "".join(parts) + self._in_full()

    def _in_full(self) -> str:
        """All that the listings left out, folded, at the page's end."""
        if not self.shortened:
            return ""
        shown = [listing.fence(full, _title(name), []) for name, full in self.shortened.items()]
        body = "\n\n".join(shown)
        lines = ("    " + line if line else "" for line in body.split("\n"))
        return '\n\n??? example "The listings in full, with docstrings"\n' + "\n".join(lines) + "\n"

    def _text(self, block: Block, session: Session) -> str:
        text = glossary.linked(boxes.closed(block.text), self.linked)
        alone = re.sub(r"^\\\((.+?)\\\)$", lambda m: mathml(m[1], "block"), text, flags=re.M)
        return re.sub(r"\\\((.+?)\\\)", lambda m: mathml(m[1], "inline"), alone)

    def _source(self, block: Block, session: Session) -> str:
        if block.info.endswith(".js"):
            code = file_source(block.info)
            return annotated(code, block.text.splitlines(), block.info, "javascript")
        self.shown.add(block.info)
        full = source(block.info)
        notes = block.text.splitlines()
        code = listing.brief(full, [note.partition(" :: ")[0] for note in notes if note.strip()])
        if code != full:
            self.shortened[block.info] = full
        self.code_lines += len(code.splitlines())
        return annotated(code, notes, block.info)

    def _rest(self, block: Block, session: Session) -> str:
        parts = []
        for module in modules(block.info):
            for name in definitions(module):
                outermost = "." not in name.partition(":")[2]
                if outermost and not self.shown & {name, module}:
                    self.shown.add(name)
                    parts.append(annotated(source(name), [], name))
        if not parts:
            raise LessonError(f"nothing is left to show of {block.info}")
        return "\n\n".join(parts)

    def _run(self, block: Block, session: Session) -> str:
        output = self._executed(block, session)
        return fence("python", block.text, block.info) + (
            f"\n\n{fence('text', output, 'output no-copy')}" if output else ""
        )

    def _check(self, block: Block, session: Session) -> str:
        self._executed(block, session)
        return ""

    def _fails(self, block: Block, session: Session) -> str:
        self.executed += 1
        try:
            session.run(block.text)
        except Exception as error:
            if type(error).__name__ != block.info:
                raise LessonError(
                    f"this was to raise {block.info or 'a class that the fence does not name'}, "
                    f"and raised {type(error).__name__}: {error}\n{block.text}"
                ) from error
            said = f"{type(error).__name__}: {error}"
            return (
                fence("python", block.text) + "\n\n" + fence("text", said, "output fails no-copy")
            )
        raise LessonError(f"this was to fail, and did not:\n{block.text}")

    def _figure(self, block: Block, session: Session) -> str:
        options = dict(re.findall(r'(\w+)="(.*?)"', block.info))
        self._executed(block, session)
        shown = fence("python", block.text)
        return f"{shown}\n\n{svg(session.last, options['alt'], options['caption'])}"

    def _picture(self, block: Block, session: Session) -> str:
        name, options = block.info.split()[0], dict(re.findall(r'(\w+)="(.*?)"', block.info))
        if name not in pictures.NAMES:
            raise LessonError(f"there is no picture {name!r}, only {', '.join(pictures.NAMES)}")
        given = {}
        if block.text.strip():
            self._executed(block, session)
            given = session.last
        made = getattr(pictures, name)(**given).svg(options["title"])
        self.drawn[block.info + block.text] = made
        return drawing.figure(made, options["caption"])

    def _executed(self, block: Block, session: Session) -> str:
        self.executed += 1
        self.asserted += len(re.findall(r"^\s*assert ", block.text, re.M))
        try:
            return session.run(block.text)
        except Exception as error:
            where = traceback.format_exc(limit=-2)
            raise LessonError(f"this does not run:\n{block.text}\n{where}") from error

    def notebook(self) -> dict[str, Any]:
        """The same as a Jupyter notebook: prose as Markdown, code to run, sources to read."""
        cells = notebooks.Cells()
        for block in self.blocks():
            if block.kind == "text":
                cells.prose(block.text)
            elif block.kind == "source":
                cells.read(block.indent, _listing_in_notebook(block))
            elif block.kind == "picture":
                cells.read(block.indent, self._picture_in_notebook(block))
            elif block.kind in RUN:
                kind = "fails" if block.kind == "fails" else "code"
                cells.run(kind, block.indent, block.text)
        return cells.notebook()

    def _picture_in_notebook(self, block: Block) -> str:
        """A picture as an image in the cell itself, or its title where the page was not built.

        It is HTML: VS Code shows no SVG that a Markdown image holds. On white, for a dark theme.
        """
        options = dict(re.findall(r'(\w+)="(.*?)"', block.info))
        made = self.drawn.get(block.info + block.text)
        title = options["title"]
        if made is None:
            return f"*(On the page of the site, a picture stands here: {title}.)*"
        on_white = made.replace("<svg ", '<svg style="background:#fff" ', 1)
        data = b64encode(on_white.encode()).decode()
        image = f'<img alt="{title}" width="570" src="data:image/svg+xml;base64,{data}">'
        return f"{image}\n\n*{options['caption']}*"


class Session:
    """The namespace of one page. What a page changes globally ends with it."""

    last: Any = None

    def __enter__(self) -> Session:
        import torch

        self.space: dict[str, Any] = {"__name__": "__main__", "REPOSITORY": claims.ROOT}
        self.before = torch.is_grad_enabled(), os.getcwd()
        torch.manual_seed(0)
        torch.set_num_threads(1)
        torch.set_printoptions(precision=3, sci_mode=False, linewidth=88)
        return self

    def __exit__(self, *error: object) -> None:
        import torch

        torch.set_grad_enabled(self.before[0])
        os.chdir(self.before[1])
        torch.set_printoptions(profile="default")

    def run(self, code: str) -> str:
        """What running it prints and logs, and the value of its last line, as in a notebook."""
        tree = ast.parse(code)
        value = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            value = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
        out = io.StringIO()
        handler = logging.StreamHandler(out)
        logger = logging.getLogger("minicache")
        logger.addHandler(handler)
        try:
            with contextlib.redirect_stdout(out):
                # optimize=0: the page's assertions hold, whatever Python's own switches say.
                exec(compile(tree, "<lesson>", "exec", optimize=0), self.space)
                self.last = eval(compile(value, "<lesson>", "eval"), self.space) if value else None
        finally:
            logger.removeHandler(handler)
        shown = pformat(self.last, width=80, sort_dicts=False) if self.last is not None else ""
        return (out.getvalue() + shown).rstrip()


def _claimed(block: Block) -> str:
    """What a block says to its reader in words, without the answers that a guess has to offer."""
    if block.kind == "text":
        return GUESSES.sub("", block.text)
    if block.kind in ("figure", "picture"):
        return "\n\n".join(re.findall(r'="(.*?)"', block.info))
    if block.kind == "source":
        return "\n\n".join(note.partition(" :: ")[2] for note in block.text.splitlines())
    return ""


def fence(language: str, text: str, classes: str = "") -> str:
    marks = "".join(f" .{name}" for name in classes.split())
    head = f"{{.{language}{marks}}}" if marks else language
    return f"``` {head}\n{text.rstrip()}\n```"


def _listing_in_notebook(block: Block) -> str:
    """A listing as Markdown: its lines with the numbers of its notes, and the notes below."""
    notes = block.text.splitlines()
    if block.info.endswith(".js"):
        code, language, comment = file_source(block.info), "javascript", "//"
    else:
        kept = [note.partition(" :: ")[0] for note in notes if note.strip()]
        code, language, comment = listing.brief(source(block.info), kept), "python", "#"
    lines, placed = code.splitlines(), sorted(_placed(code, notes, block.info))
    for number, (line, _) in enumerate(placed, 1):
        lines[line] += f"  {comment} ({number})"
    said = "\n".join(f"{number}. {text}" for number, (_, text) in enumerate(placed, 1))
    code = fence(language, "\n".join(lines))
    return f"`{block.info}`\n\n{code}\n\n{said}".rstrip()


def annotated(code: str, notes: list[str], name: str, language: str = "python") -> str:
    """A listing, with a numbered note beside each line that a fragment points at."""
    return listing.fence(code, _title(name), _placed(code, notes, name), language)


def _placed(code: str, notes: list[str], name: str) -> list[tuple[int, str]]:
    """Each note as (the one line that holds its fragment, text)."""
    lines, placed = code.splitlines(), []
    for note in filter(str.strip, notes):
        fragment, colon, text = note.partition(" :: ")
        if not colon:
            raise LessonError(f"{name}: a note is `fragment :: text`, and not {note!r}")
        found = [index for index, line in enumerate(lines) if fragment in line]
        if len(found) != 1:
            raise LessonError(f"{name}: {fragment!r} is in {len(found)} lines, and not in one")
        if found[0] in (row for row, _ in placed):
            raise LessonError(f"{name}: {fragment!r} is the second note of its line: write one")
        placed.append((found[0], text))
    return placed


def _title(name: str) -> str:
    return name.replace(":", " · ")


def mathml(latex: str, display: str) -> str:
    from latex2mathml.converter import convert

    made: str = convert(latex, display=display)
    return made


def svg(figure: Any, alt: str, caption: str) -> str:
    """A matplotlib Figure in the page itself, in the site's own colours, light or dark."""
    from matplotlib import rc_context

    from minicache import plots

    out = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):  # text stays text
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    drawn = out.getvalue()[out.getvalue().index("<svg") :]
    drawn = drawn.replace("#000000", "currentColor").replace(
        "<svg ", f'<svg role="img" aria-label="{alt}" ', 1
    )
    for name in ("FOR", "AGAINST", "THIRD", "FOURTH"):
        drawn = drawn.replace(getattr(plots, name), f"var(--mc-{name.lower()})")
    drawn = re.sub(r"font: ([\d.]+px) [^;\"]+", r"font-size: \1", drawn)
    drawn = re.sub(r"font-family: [^;\"]+;?", "", drawn)
    drawn = re.sub(r"\n\s*", " ", re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.S))
    marker = f"f{crc32((alt + caption).encode())}"  # ids of two figures on a page must differ
    drawn = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{marker}", drawn)
    return drawing.figure(drawn, caption, "plot")


def decisions(markdown: str) -> list[tuple[str, str]]:
    """(title, body) of each decision record on a page; each has the five fields, in order."""
    found = []
    for match in DECISION.finditer(markdown + "\n"):
        title, body = match[1], re.sub(r"^ {4}", "", match[2], flags=re.M).strip()
        fields = tuple(re.findall(r"^\*\*(.+?)\.\*\*", body, re.M))
        if fields != FIELDS:
            raise LessonError(f"decision {title!r} has {fields}, and not {FIELDS}")
        found.append((title, body))
    return found
