"""Diagrams of the lessons, each a function that the pages call by its name.

Where a picture shows data it gets the data from the page, which has just computed it, and says in
words what it shows:

    ```picture axis_strips title="What each form picks" caption="..."
    {wanted: cache.decompose_resid(pos_slice=wanted).shape for wanted in (-1, None)}
    ```
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from drawing import AGAINST, FOR, INK, LINE, LIT, QUIET, SOFT, WIDTH, Drawing

__all__ = ["NAMES"]

NAMES = (
    "additions",
    "address",
    "attention_head",
    "axis_strips",
    "bars",
    "brackets",
    "decision_tree",
    "frozen_scale",
    "holders",
    "induction",
    "kept_tensors",
    "kill_timeline",
    "patch",
    "rows_of",
    "tap",
    "three_devices",
    "two_effects",
)


def tap() -> Drawing:
    """A hook point on the stream, with a hook that looks and one that replaces."""
    drawn = Drawing(
        206,
        "Twice an activation goes from left to right through a hook point, which calls a hook. "
        "The first hook returns None, and the same activation goes on. The second returns "
        "a tensor, and that tensor goes on in its place.",
    )
    for top, returned, after, colour in (
        (0, "returns None", "the same", FOR),
        (106, "returns a tensor", "the new one", AGAINST),
    ):
        line = top + 76
        drawn.titled(114, top + 4, 152, "hook(tensor, hook)", code=True, fill=LIT)
        drawn.path(f"M160 {line - 10}V{top + 34}", colour=FOR)
        drawn.arrow(160, top + 46, 160, top + 31, colour=FOR)
        drawn.arrow(220, top + 31, 220, line - 17, colour=colour, dashed=colour == FOR)
        drawn.text(228, top + 54, returned, colour=QUIET)
        drawn.arrow(18, line, 128, line, colour=FOR)
        drawn.arrow(252, line, 366, line, colour=colour)
        drawn.titled(130, line - 12, 120, "hook point", height=24, fill=SOFT)
        drawn.text(18, line - 8, "activation")
        drawn.text(366, line - 8, after, at="end", colour=colour, bold=True)
    return drawn


def holders(rows: Mapping[str, Sequence[bool]], columns: Sequence[str]) -> Drawing:
    """Which holders refer to which activation's memory: a dot where one does."""
    top = 40
    told = "; ".join(
        f"{column} holds {', '.join(n for n, held in rows.items() if held[place]) or 'none'}"
        for place, column in enumerate(columns)
    )
    drawn = Drawing(top + 19 * len(rows) + 6, f"A row for each activation. {told}.")
    left, step = 178, (WIDTH - 178) / len(columns)
    for place, column in enumerate(columns):
        for number, words in enumerate(column.split("|")):
            x = left + step * (place + 0.5)
            drawn.text(x, 12 + 14 * number, words, at="middle", size=11.5, bold=True)
    for number, (name, held) in enumerate(rows.items()):
        y = top + 19 * number
        if number % 2 == 0:
            drawn.box(0, y - 5, WIDTH, 19, fill=SOFT, stroke="none", round=0)
        drawn.text(4, y + 9, name, size=11.5, code=True)
        for place, yes in enumerate(held):
            x = left + step * (place + 0.5)
            if yes:
                drawn.dot(x, y + 4.5, colour=AGAINST if place == len(held) - 1 else FOR)
            else:
                drawn.text(x, y + 9, "–", at="middle", colour=QUIET)
    return drawn


def rows_of(calls: Mapping[str, Sequence[str]], every: Sequence[str]) -> Drawing:
    """Which parts each call of a decomposition returns: a filled cell where it does."""
    left, cell, top = 168, (WIDTH - 168) / len(every), 78
    told = "; ".join(f"{call} gives {', '.join(labels)}" for call, labels in calls.items())
    drawn = Drawing(top + 24 * len(calls) + 4, f"A row for each call. {told}.")
    drawn.text(left - 8, top - 8, "decompose_resid", at="end", code=True, bold=True)
    for place, label in enumerate(every):
        x = left + cell * (place + 0.5)
        drawn.marks.append(
            f'<text transform="translate({x + 4:g} {top - 6}) rotate(-90)" '
            f'style="font-size:11.5px;fill:{INK}">{html.escape(label)}</text>'
        )
    for number, (call, labels) in enumerate(calls.items()):
        y = top + 24 * number
        drawn.text(left - 8, y + 14, call, at="end", size=11.5, code=True)
        for place, label in enumerate(every):
            there = label in labels
            fill, stroke = (FOR, FOR) if there else ("none", LINE)
            drawn.box(left + cell * place + 2, y, cell - 4, 20, fill=fill, stroke=stroke, round=2)
    return drawn


def address(name: str, parts: Sequence[tuple[str, str]], spellings: Sequence[str]) -> Drawing:
    """A full name taken apart, and the spellings that lead to it."""
    top, size = 22 * len(spellings) + 44, 15
    width = 9.05  # of a character of the code font at this size
    left = (WIDTH - width * len(name)) / 2
    drawn = Drawing(
        top + 62,
        f"{', '.join(spellings)} all mean {name}. In it, "
        + ", ".join(f"{part} is {meaning}" for part, meaning in parts)
        + ".",
    )
    for number, spelling in enumerate(spellings):
        y = 22 * number + 11.5
        drawn.titled(4, y - 9.5, 164, spelling, height=19, code=True)
        drawn.path(f"M170 {y:g}C190 {y:g} 190 {top - 40} 190 {top - 22}")
    drawn.text(204, 15, "any of these", colour=QUIET)
    drawn.arrow(190, top - 30, 190, top - 16)
    drawn.text(204, top - 24, "the one full name", colour=QUIET)
    x = left
    for number, (part, meaning) in enumerate(parts):
        long = width * len(part)
        drawn.marks.append(
            f'<text x="{x:g}" y="{top}" textLength="{long:g}" lengthAdjust="spacingAndGlyphs" '
            f'style="font-size:{size}px;fill:{FOR};font-weight:700;'
            f'font-family:var(--md-code-font-family,monospace)">{html.escape(part)}</text>'
        )
        drawn.path(f"M{x:g} {top + 6}h{long:g}", colour=AGAINST, width=2)
        lower = number % 2 == 0  # every other meaning, so that no two touch
        y = top + 24 + 16 * lower
        if lower:
            drawn.path(f"M{x + long / 2:g} {top + 8}V{y - 11}", colour=LINE)
        drawn.text(x + long / 2, y, meaning, at="middle")
        x += long
        if number < len(parts) - 1:
            drawn.text(x + width / 2, top, ".", at="middle", size=size, code=True)
            x += width
    return drawn


def decision_tree(leaves: Mapping[str, str]) -> Drawing:
    """Raise, assert or log: three questions, and for each answer an example of ours."""
    raised, asserted, logged = leaves["raise"], leaves["assert"], leaves["log"]
    drawn = Drawing(
        292,
        "Something is not as it should be. Could an input bring it about? If not: assert, as in "
        f"{asserted}. If so: would going on give a wrong result? Then raise, as in {raised}. "
        f"If not: is it global, or was there nothing to do? Then log, as in {logged}. "
        "If not: nothing.",
    )

    def question(y: float, words: str) -> None:
        drawn.box(8, y, 176, 40, fill=SOFT, stroke=QUIET)
        first, _, second = words.partition("|")
        drawn.text(96, y + 17, first, at="middle")
        drawn.text(96, y + 32, second, at="middle")

    def leaf(y: float, answer: str, verb: str, example: str, colour: str) -> None:
        drawn.arrow(184, y + 20, 232, y + 20)
        drawn.text(207, y + 14, answer, at="middle", size=11.5, colour=QUIET)
        drawn.box(233, y, 140, 40, fill=LIT, stroke=colour)
        drawn.text(303, y + 17, verb, at="middle", bold=True)
        drawn.text(303, y + 32, example, at="middle", size=10.5, code=True)

    def down(y: float, answer: str) -> None:
        drawn.arrow(96, y + 40, 96, y + 69)
        drawn.text(102, y + 58, answer, size=11.5, colour=QUIET)

    drawn.text(96, 14, "something is not as it should be", at="middle", colour=QUIET, size=11.5)
    drawn.arrow(96, 19, 96, 33)
    question(34, "Could an input|bring it about?")
    leaf(34, "no", "assert", asserted, LINE)
    down(34, "yes")
    question(104, "Would going on|give a wrong result?")
    leaf(104, "yes", "raise", raised, AGAINST)
    down(104, "no")
    question(174, "Is it global, or was there|nothing to do?")
    leaf(174, "yes", "log", logged, FOR)
    down(174, "no")
    drawn.titled(8, 244, 176, "go on, without a word", height=30)
    return drawn


def axis_strips(
    shapes: Mapping[object, tuple[Sequence[int], Sequence[int]]], words: Sequence[str]
) -> Drawing:
    """For each form of a slice the positions that it picks, and the shape that comes out."""
    left, cell = 66, 33
    told = "; ".join(
        f"{form} picks {', '.join(words[place] for place in picked)} and gives {tuple(shape)}"
        for form, (picked, shape) in shapes.items()
    )
    drawn = Drawing(50 + 34 * len(shapes), f"A row for each form: {told}.")
    for place, word in enumerate(words):
        x = left + cell * (place + 0.5)
        drawn.text(x, 26, word, at="middle", size=10.5)
        drawn.text(x, 39, str(place), at="middle", size=10.5, colour=QUIET)
    drawn.text(left + cell * len(words) + 10, 39, "the result", size=11.5, colour=QUIET)
    for number, (form, (picked, shape)) in enumerate(shapes.items()):
        y = 48 + 34 * number
        drawn.text(left - 8, y + 16, str(form), at="end", code=True)
        for place in range(len(words)):
            fill, stroke = (FOR, FOR) if place in picked else ("none", LINE)
            drawn.box(left + cell * place + 1.5, y, cell - 3, 24, fill=fill, stroke=stroke, round=2)
        drawn.text(left + cell * len(words) + 10, y + 16, str(tuple(shape)), size=11.5, code=True)
    return drawn


def three_devices() -> Drawing:
    """Where model, run and cache live: all in one place, and with the cache on the CPU."""
    drawn = Drawing(
        282,
        "Two set-ups. In the first, model, run and cache are on the GPU, and an analysis runs "
        "there. In the second, run_with_cache was told device='cpu': model and run stay on the "
        "GPU, each activation goes to the CPU when it is made, and the analysis runs on the CPU, "
        "to which copies of the weights that it needs are brought.",
    )

    def device(x: float, y: float, name: str) -> None:
        drawn.box(x, y, 176, 108, stroke=QUIET, dashed=True)
        drawn.text(x + 8, y + 16, name, bold=True, colour=QUIET)

    for top, call in ((0, "run_with_cache(text)"), (144, 'run_with_cache(text, device="cpu")')):
        drawn.text(4, top + 12, call, code=True)
        device(4, top + 20, "GPU")
        device(200, top + 20, "CPU")
        drawn.titled(16, top + 46, 70, "model")
        drawn.titled(98, top + 46, 70, "run", fill=LIT)
        drawn.arrow(86, top + 59, 97, top + 59)
    drawn.titled(98, 92, 70, "cache")
    drawn.arrow(133, 72, 133, 91, colour=FOR)
    drawn.titled(16, 92, 70, "analysis", fill=LIT)
    drawn.arrow(97, 105, 87, 105)
    drawn.titled(212, 190, 70, "cache")
    drawn.arrow(168, 203, 211, 203, colour=FOR)
    drawn.titled(294, 190, 70, "analysis", fill=LIT)
    drawn.arrow(282, 203, 293, 203)
    drawn.path("M51 216V254H329V224", dashed=True)
    drawn.arrow(329, 232, 329, 217)
    drawn.text(56, 267, "copies of weights", size=11, colour=QUIET)
    return drawn


def kill_timeline(first: Sequence[float], second: Sequence[float], killed: float) -> Drawing:
    """When each shard was finished: before the kill, and by the same command again. In seconds."""
    end = max(*second, killed)
    left, right = 14, WIDTH - 14
    drawn = Drawing(
        150,
        f"A time line. The first process made {len(first)} shards in {first[-1]:.2f} seconds "
        f"and was killed. The same command, run again, finished the other {len(second)}, the last "
        f"after {end:.2f} seconds. No shard was made twice.",
    )

    def x(seconds: float) -> float:
        return left + (right - left) * seconds / end

    for top, name, times, colour in (
        (24, f"first process: {len(first)} shards", first, FOR),
        (76, f"the same command again: the other {len(second)}", second, AGAINST),
    ):
        drawn.text(left, top - 8, name)
        drawn.path(f"M{left} {top + 18}H{right}", colour=LINE)
        for time in times:
            drawn.path(f"M{x(time):.1f} {top}v18", colour=colour, width=1)
    drawn.path(f"M{x(killed):.1f} 20V48", colour=INK, width=2)
    drawn.text(x(killed) + 6, 37, "SIGKILL", bold=True)
    drawn.arrow(left, 116, right, 116)
    for step in range(5):
        seconds = end * step / 4
        at = ("start", "middle", "middle", "middle", "end")[step]
        drawn.text(x(seconds), 132, f"{seconds:.2f}", at=at, size=11, colour=QUIET)
    drawn.text(
        WIDTH / 2,
        147,
        "seconds since the first shard was written",
        at="middle",
        size=11,
        colour=QUIET,
    )
    return drawn


def bars(
    values: Mapping[str, float], unit: str, log: bool = False, reference: str | None = None
) -> Drawing:
    """A bar with its value for each name; with `log`, lengths are of logarithms.

    With `reference`, the name of one of them, each other says by how much it is off.
    """
    left, long = 128, WIDTH - 128 - (58 if reference is None else 98)

    def words(name: str, value: float) -> str:
        off = "" if reference in (None, name) else f" ({value / values[reference] - 1:+.0%})"
        return f"{value:,g}{off}"

    told = ", ".join(f"{name} {words(name, value)}" for name, value in values.items())
    drawn = Drawing(24 * len(values) + 26, f"{unit}: {told}.")
    most, least = max(values.values()), min(values.values()) / 2
    for number, (name, value) in enumerate(values.items()):
        share = math.log(value / least) / math.log(most / least) if log else value / most
        y = 24 * number + 2
        drawn.text(left - 6, y + 13, name, at="end", size=11.5)
        fill = AGAINST if number == 0 else FOR
        drawn.box(left, y, long * share, 18, fill=fill, stroke="none", round=1)
        drawn.text(left + long * share + 5, y + 13, words(name, value), size=11.5)
    below = unit + (" (a scale of powers of ten)" if log else "")
    drawn.text(left, 24 * len(values) + 18, below, size=11.5, colour=QUIET)
    return drawn


def two_effects(direct: Mapping[str, float], total: Mapping[str, float], unit: str) -> Drawing:
    """For each part two bars from one zero: what it adds, and what is lost without it."""
    told = "; ".join(
        f"{name} adds {direct[name]:.1f} and costs {total[name]:.1f}" for name in direct
    )
    drawn = Drawing(44 * len(direct) + 52, f"{unit}. {told}.")
    sizes = [*direct.values(), *total.values()]
    least, most = min(0.0, *sizes), max(sizes)
    left, right = 88, WIDTH - 44

    def x(value: float) -> float:
        return left + (right - left) * (value - least) / (most - least)

    for place, (words, colour) in enumerate(
        (("direct: what it adds", FOR), ("total: what is lost without it", AGAINST))
    ):
        drawn.box(44 + 152 * place, 3, 12, 12, fill=colour, stroke="none", round=1)
        drawn.text(61 + 152 * place, 13, words)
    for number, name in enumerate(direct):
        y = 26 + 44 * number
        drawn.text(4, y + 22, name, bold=True)
        for step, (value, colour) in enumerate(((direct[name], FOR), (total[name], AGAINST))):
            top, end = y + 18 * step, x(value)
            drawn.box(min(x(0), end), top, abs(end - x(0)), 15, fill=colour, stroke="none", round=1)
            at, gap = ("end", -4) if value < 0 else ("start", 4)
            drawn.text(end + gap, top + 12, f"{value:+.1f}", at=at, size=11.5)
    bottom = 26 + 44 * len(direct)
    drawn.path(f"M{x(0):.1f} 22V{bottom - 4}")
    drawn.text(x(0), bottom + 14, unit, at="middle", size=11.5, colour=QUIET)
    return drawn


def patch(clean: str, corrupted: str, answers: tuple[str, str]) -> Drawing:
    """Two runs, and one activation that is taken from the first into the second."""
    drawn = Drawing(
        190,
        f"Two runs. The clean one reads {clean!r} and answers {answers[0]}. The other reads "
        f"{corrupted!r} and would answer {answers[1]}. One activation of the clean run is put into "
        "the corrupted one, which goes on with it. The question is which answer comes out.",
    )
    for y, name, text, answer, colour in (
        (36, "clean run", clean, answers[0], FOR),
        (134, "corrupted run", corrupted, answers[1] + "?", AGAINST),
    ):
        drawn.text(4, y - 22, name, bold=True, colour=colour)
        drawn.text(138, y - 22, f".. {text} ..")
        drawn.path(f"M8 {y + 14}H310", colour=colour, width=2)
        drawn.arrow(290, y + 14, 318, y + 14, colour=colour)
        for layer in range(3):
            drawn.titled(40 + 88 * layer, y, 66, f"block {layer}", height=28)
        drawn.text(324, y + 18, answer, bold=True, colour=colour)
    drawn.dot(117, 50, 6, colour=FOR)
    drawn.dot(117, 148, 6, colour=FOR)
    drawn.arrow(117, 58, 117, 139, colour=FOR)
    drawn.text(126, 92, "one activation, at one word", colour=FOR)
    drawn.path("M117 148H126", colour=FOR, width=3)
    drawn.text(4, 184, "How much of the clean answer comes back?", colour=QUIET)
    return drawn


def brackets(d_head: int, d_model: int, positions: int) -> Drawing:
    """One number a head and position, by way of the stream or by way of the head."""
    drawn = Drawing(
        214,
        f"Two ways to one number for each of {positions} positions. The long way takes z, "
        f"{d_head} numbers a position, through W_O to {d_model} numbers a position, and then to "
        f"the direction d. The short way takes d back through W_O once, to {d_head} numbers, and "
        "then multiplies each position's z by that.",
    )
    unit = 96 / d_model

    def rows(x: float, y: float, length: int, count: int, colour: str) -> None:
        for row in range(count):
            drawn.box(x, y + 7 * row, unit * length, 5, fill=colour, stroke="none", round=1)

    for y, name in ((0, "the long way: (z W_O) d"), (112, "the short way: z (W_O d)")):
        drawn.text(4, y + 13, name, bold=True)
        rows(8, y + 34, d_head, positions, FOR)
        drawn.text(8, y + 28, f"z: {d_head} numbers", size=11, colour=QUIET)
        rows(352, y + 34, round(6 / unit), positions, INK)
        drawn.text(376, y + 28, "result", at="end", size=11, colour=QUIET)
    drawn.arrow(66, 53, 124, 53)
    drawn.text(95, 47, "W_O", at="middle", size=11, code=True)
    rows(132, 34, d_model, positions, AGAINST)
    drawn.text(132, 28, f"{d_model} numbers, each time", size=11, colour=AGAINST)
    drawn.arrow(238, 53, 344, 53)
    drawn.text(290, 47, "d", at="middle", size=11, code=True)
    drawn.arrow(66, 165, 344, 165)
    rows(152, 190, d_head, 1, AGAINST)
    drawn.text(206, 195, f"W_O d: {d_head} numbers, once", size=11, colour=AGAINST)
    drawn.arrow(176, 187, 176, 168)
    return drawn


def attention_head(
    name: str, words: Sequence[str], weights: Sequence[float], d_head: int, d_model: int
) -> Drawing:
    """One head at the last word: where it looks, and by which steps it writes to the stream."""
    cell = WIDTH / len(words)
    told = ", ".join(f"{word} {weight:.0%}" for word, weight in zip(words, weights, strict=True))
    drawn = Drawing(
        286,
        f"The head {name} at the last word, {words[-1]}. Its query meets each word's key, and the "
        f"softmax gives a weight to each: {told}. The values, averaged with these weights, are z, "
        f"{d_head} numbers. W_O makes {d_model} numbers of them, which are added to the stream.",
    )
    drawn.text(WIDTH - cell / 2, 14, "query", at="middle", colour=AGAINST, bold=True)
    drawn.text(4, 14, "keys", colour=FOR, bold=True)
    for place, (word, weight) in enumerate(zip(words, weights, strict=True)):
        x = cell * (place + 0.5)
        last = place == len(words) - 1
        drawn.box(x - cell / 2 + 2, 22, cell - 4, 24, fill=LIT if last else SOFT)
        drawn.text(x, 38, word, at="middle", size=11.5)
        drawn.box(x - 12, 118 - 44 * weight, 24, 44 * weight, fill=FOR, stroke="none", round=1)
        drawn.text(x, 132, f"{weight:.0%}", at="middle", size=11.5)
    drawn.path(f"M0 118H{WIDTH}", colour=LINE)
    drawn.text(4, 62, "softmax(query · keys): the pattern's row", size=11.5, colour=QUIET)
    drawn.arrow(WIDTH / 2, 138, WIDTH / 2, 158)
    drawn.text(WIDTH / 2 + 8, 152, "values, averaged so", size=11.5)
    for y, words_in in (
        (160, f"z: {d_head} numbers"),
        (210, f"z W_O: {d_model} numbers"),
    ):
        drawn.titled(WIDTH / 2 - 80, y, 160, words_in)
    drawn.arrow(WIDTH / 2, 186, WIDTH / 2, 208)
    drawn.arrow(WIDTH / 2, 236, WIDTH / 2, 262, colour=AGAINST)
    drawn.text(WIDTH / 2 + 8, 254, "added", size=11.5, colour=AGAINST)
    drawn.arrow(8, 265, WIDTH - 8, 265, colour=AGAINST)
    drawn.text(4, 282, f"the stream at the last word, {words[-1]}", size=11.5, colour=QUIET)
    return drawn


def frozen_scale(
    shares: Mapping[str, float], scale: float, constant: float, target: str
) -> Drawing:
    """All parts through one LayerNorm whose scale is held: each gives a number, and they sum."""
    total = sum(shares.values()) + constant
    told = ", ".join(f"{name} {value:+.2f}" for name, value in shares.items())
    end = 26 + 24 * len(shares)
    drawn = Drawing(
        end + 50,
        f"Each part goes through the same steps: less its mean, divided by the run's scale "
        f"{scale:.2f}, times the weight w, dot the direction d. Out come {told}. With the constant "
        f"{constant:+.2f} they sum to {target}, {total:+.2f}.",
    )
    drawn.text(4, 13, "part", bold=True)
    drawn.text(WIDTH - 4, 13, "share", at="end", bold=True)
    drawn.box(132, 22, 152, end - 22, fill=LIT)
    middle = (22 + end) / 2
    for number, (step, bold) in enumerate(
        (
            ("the same for all:", False),
            ("less its own mean", False),
            (f"÷ {scale:.2f}, the run's scale", True),
            ("⊙ w", False),
            ("· d", False),
        )
    ):
        y = middle - 40 + 22 * number
        drawn.text(208, y, step, at="middle", bold=bold, colour=INK if number else QUIET)
    for number, (name, value) in enumerate(shares.items()):
        y = 26 + 24 * number + 8
        drawn.text(4, y + 4, name, size=11.5, code=True)
        drawn.arrow(96, y, 130, y)
        drawn.arrow(285, y, 318, y)
        colour = FOR if value >= 0 else AGAINST
        drawn.text(WIDTH - 4, y + 4, f"{value:+.2f}", at="end", colour=colour)
    drawn.text(4, end + 18, "the constant: d · b + b_U", size=11.5)
    drawn.text(WIDTH - 4, end + 18, f"{constant:+.2f}", at="end")
    drawn.path(f"M{WIDTH - 62} {end + 26}H{WIDTH}", colour=INK)
    drawn.text(4, end + 44, target, bold=True, size=11.5)
    drawn.text(WIDTH - 4, end + 44, f"{total:+.2f}", at="end", bold=True)
    return drawn


def induction(words: Sequence[str], first: int, previous: str, heads: str) -> Drawing:
    """Two steps from an earlier pair of words to a guess; what was not shown is dashed."""
    last, after = len(words) - 1, first + 1
    cell = WIDTH / len(words)
    drawn = Drawing(
        188,
        f"The words {', '.join(words)}. Step 1: {previous} looks from {words[after]} one word "
        f"back, at {words[first]}, and likely writes there which word it was. Step 2: at the last "
        f"{words[last]} the heads {heads} look at {words[after]}, whose keys carry what step 1 "
        f"wrote, and raise the logit of {words[after]}.",
    )

    def x(place: int) -> float:
        return cell * (place + 0.5)

    for place, word in enumerate(words):
        lit = place in (first, after, last)
        drawn.titled(x(place) - cell / 2 + 2, 84, cell - 4, word, fill=LIT if lit else SOFT)
    drawn.path(f"M{x(after)} 82C{x(after)} 54 {x(first)} 54 {x(first)} 70", colour=FOR, width=2)
    drawn.arrow(x(first), 70, x(first), 83, colour=FOR)
    drawn.text(4, 16, f"1  {previous} looks one word back", colour=FOR, bold=True)
    drawn.text(
        4, 32, f"and likely writes at {words[after]}: “before me: {words[first]}”", colour=FOR
    )
    drawn.path(f"M{x(after) - 12} 64L{x(after) - 12} 38", colour=FOR, dashed=True)
    drawn.path(
        f"M{x(last)} 112C{x(last)} 146 {x(after)} 146 {x(after)} 126", colour=AGAINST, width=2
    )
    drawn.arrow(x(after), 126, x(after), 113, colour=AGAINST)
    drawn.text(4, 162, f"2  {heads} look at the word whose key says so,", colour=AGAINST, bold=True)
    drawn.text(4, 178, f"and raise its logit: {words[after]}", colour=AGAINST)
    return drawn


def kept_tensors(operations: Mapping[str, tuple[int, bool]]) -> Drawing:
    """For each operation its inputs and its output: filled where autograd keeps the tensor."""
    told = "; ".join(
        f"{name} keeps "
        + (" and ".join(["its input"] * (inputs > 0) + ["its output"] * output) or "nothing")
        for name, (inputs, output) in operations.items()
    )
    drawn = Drawing(34 + 38 * len(operations), f"A row for each operation: {told}.")
    for x, words in ((52, "input"), (326, "output")):
        drawn.text(x, 14, words, at="middle", bold=True)
    for number, (name, (inputs, output)) in enumerate(operations.items()):
        y = 26 + 38 * number
        for x, kept in ((8, inputs > 0), (282, output)):
            drawn.box(x, y, 88, 26, fill=FOR if kept else "none", stroke=FOR if kept else LINE)
            if kept:
                words = "both kept" if x == 8 and inputs > 1 else "kept"
                drawn.text(
                    x + 44,
                    y + 17,
                    words,
                    at="middle",
                    colour="var(--md-default-bg-color, #fff)",
                    bold=True,
                )
        drawn.arrow(97, y + 13, 128, y + 13)
        drawn.titled(130, y, 120, name, code=True)
        drawn.arrow(251, y + 13, 281, y + 13)
    return drawn


def additions(models: Mapping[str, Sequence[Sequence[str]]]) -> Drawing:
    """The additions of one block of each model: a + on the stream, and what it adds."""
    told = "; ".join(
        f"{name} adds {', then '.join(' and '.join(parts) for parts in writes)}"
        for name, writes in models.items()
    )
    drawn = Drawing(104 * len(models), f"One block of each model. {told}.")
    for number, (name, writes) in enumerate(models.items()):
        top = 104 * number
        line = top + 84
        drawn.text(4, top + 14, name, bold=True)
        drawn.arrow(8, line, WIDTH - 8, line, colour=FOR)
        for place, parts in enumerate(writes):
            x = 130 + 160 * place if len(writes) > 1 else WIDTH / 2
            width = 74 * len(parts)
            for step, part in enumerate(parts):
                drawn.titled(
                    x - width / 2 + 74 * step + 2, top + 22, 70, part.removeprefix("hook_"),
                    height=24, code=True, fill=LIT,
                )  # fmt: skip
                start = x - width / 2 + 74 * step + 37
                drawn.path(f"M{start:g} {top + 46}L{x:g} {line - 9}", colour=AGAINST)
            drawn.dot(x, line, 9, colour=AGAINST)
            drawn.text(
                x,
                line + 5,
                "+",
                at="middle",
                size=16,
                colour="var(--md-default-bg-color, #fff)",
                bold=True,
            )
    return drawn
