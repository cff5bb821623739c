"""What a learner reads: a scoreboard, feedback, hints."""

from __future__ import annotations

import json
import os
import re
import shlex
import textwrap
from pathlib import Path

from exercises.grader.bank import HOME, Exercise, Result

__all__ = ["feedback", "hints", "next_hint", "scoreboard", "wrapped"]

WIDTH = 78
PRINTED = 1000  # characters of what an answer printed
MARKS = {"passed": "+", "not started": " ", "wrong": "x", "crashed": "!", "timed out": "~"}
MARKS["not graded"] = "?"


def scoreboard(results: list[Result]) -> str:
    """A line an exercise, and a bar."""
    lines = []
    for one in results:
        points = f"{one.score}/{one.exercise.most}"
        start = f" {MARKS[one.status]} {one.exercise.name:<25} {one.status:<11} {points:>5}  "
        started = one.call or one.problem or "".join(one.notes[:1])
        todo = "read the task at its top" if one.status == "not started" else started
        lines.append(start + textwrap.shorten(todo, WIDTH - len(start), placeholder=" .."))
    done = sum(one.status == "passed" for one in results)
    earned, most = sum(one.score for one in results), sum(one.exercise.most for one in results)
    bar = "#" * round(30 * earned / most)
    lines.append(f"\n [{bar:.<30}]  {earned} of {most} points, {done} of {len(results)} exercises")
    return "\n".join(lines)


def feedback(result: Result, answers: Path | None = None) -> str:
    """All that is to be said of one answer: what was called, what came, what it looks like.

    `answers` is the folder that was given with `--answers`: commands and places name it.
    """
    exercise = result.exercise
    own = answers and answers / f"{exercise.name}.py"
    where = own if own and own.is_file() else f"{_exercises()}/{exercise.name}/exercise.py"
    option = "" if answers is None else f" --answers {shlex.quote(str(answers))}"
    parts = [f"{exercise.name}: {exercise.title}"]
    if result.status == "not started":
        parts.append(result.problem or f"Not started. The task is in {where}.")
    else:
        call = f"{result.call}\n  with {result.set_up}" if result.set_up else result.call
        parts += [textwrap.indent(wrapped(call, WIDTH - 2), "  ")] * bool(call)
        parts.append(textwrap.indent(wrapped(result.problem, WIDTH - 4), "    "))
    if result.printed:
        printed = (
            result.printed if len(result.printed) <= PRINTED else f"..{result.printed[-PRINTED:]}"
        )
        parts.append("Printed in this check:\n" + textwrap.indent(printed, "  | "))
    if len(result.causes) == 1:
        parts.append(f"This looks like a known mix-up. {result.causes[0]}")
    elif result.causes:
        parts.append("This looks like two known mix-ups. " + " And: ".join(result.causes))
    elif result.relation:
        parts.append(f"This looks like a mix-up. {result.relation}")
    if result.others:
        parts.append("Also failing: " + "; ".join(map(_title, result.others)) + ".")
    if result.status in ("wrong", "crashed", "timed out") and not result.score:
        parts.append("No points count until the first check passes.")
    parts += result.notes
    again = wrapped(f"Read again: {_address(exercise)}")
    hint = f"Next hint:  pytest {_exercises()}{option} -k {exercise.key} --hint"
    told = [part if "  | " in part else wrapped(part) for part in parts]
    return "\n\n".join([*told, f"{again}\n{hint}"])


def _exercises() -> str:
    """The folder of the exercises, as a command in the working folder names it."""
    try:
        return shlex.quote(Path(os.path.relpath(HOME)).as_posix())
    except ValueError:  # on Windows: another drive
        return shlex.quote(str(HOME))


def _title(check: str) -> str:
    return check.removeprefix("test_").replace("_", " ")


def _address(exercise: Exercise) -> str:
    """The lesson, and its file where the lessons are here."""
    number = re.search(r"lesson (\d+)", exercise.lesson)
    files = sorted((HOME.parent / "lessons").glob(f"{int(number[1]):02}_*.md")) if number else []
    return exercise.lesson + "".join(f" (lessons/{file.name})" for file in files)


def wrapped(text: str, width: int = WIDTH) -> str:
    """Wrapped line by line, so that what stands in lines of its own stays so. Paths stay whole."""
    lines, whole = [], {"break_on_hyphens": False, "break_long_words": False}
    for line in text.splitlines():
        later = " " * len(re.match(r"\s*((came|expected):\s+)?", line)[0])
        lines += textwrap.wrap(line, width, subsequent_indent=later, **whole) or [""]
    return "\n".join(lines)


def hints(exercise: Exercise, check: str = "") -> list[str]:
    """The hints of an exercise: of one check where it has some of its own, then those of all."""
    text = (exercise.folder / "hints.md").read_text("utf-8")
    _, *sections = re.split(r"^## (.*)$", text, flags=re.M)
    found = [
        (head.strip(), " ".join(part.split()))
        for head, part in zip(sections[::2], sections[1::2], strict=True)
    ]
    own = [part for head, part in found if check and head == check.removeprefix("test_")]
    return own + [part for head, part in found if head.startswith("Hint ")]


def next_hint(result: Result) -> str:
    """The hint after the last one given for what fails now, and after the last the first again.

    Where that cannot be remembered, all of them.
    """
    name, told = result.exercise.name, hints(result.exercise, result.check)
    every = [f"Hint {n} of {len(told)}. {hint}" for n, hint in enumerate(told, 1)]
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    file = state / "minicache" / "hints.json"
    try:
        given = json.loads(file.read_text()) if file.exists() else {}
        before = given.get(name, {})
        number = before["given"] % len(every) if before.get("check") == result.check else 0
        file.parent.mkdir(parents=True, exist_ok=True)
        now = {"check": result.check, "given": number + 1}
        file.write_text(json.dumps({**given, name: now}))
        every = [every[number]]
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        pass
    return "\n\n".join(wrapped(hint) for hint in every)
