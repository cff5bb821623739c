"""Draw the parts of a command's output in a terminal: headings, code, tables with bars."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["SHADES", "bar", "code", "heading", "table"]

SHADES: Final = " ░▒▓█"
BAR: Final = 24  # the widest bar, in columns


def heading(console: Console, number: str, text: str) -> None:
    """Print a step's number and title."""
    console.print()
    console.print(Text(f"{number}  {text}", style="bold cyan"))


def code(console: Console, *lines: str) -> None:
    """Print the lines of Python that give the same result."""
    for line in lines:
        console.print(Text(f">>> {line}", style="green"), soft_wrap=True)


def table() -> Table:
    """Make an empty table for rows of a name, a number and a bar."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(no_wrap=True, max_width=24)
    rows.add_column(justify="right", no_wrap=True)
    rows.add_column(no_wrap=True)
    return rows


def bar(value: float, most: float) -> Text:
    """Make a bar as long as the value, red if it is negative. `most` has the widest bar."""
    width = round(BAR * abs(value) / most) if most else 0
    return Text("█" * width, style="red" if value < 0 else "blue")
