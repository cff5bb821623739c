"""Draw attributions, patches, attention patterns and curves with matplotlib (the extra `plots`).

Each function takes numbers and words, and returns a matplotlib Figure. `save` writes it as SVG.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from minicache.errors import optional

__all__ = [
    "attention",
    "bars",
    "curves",
    "heat_map",
    "patches",
    "save",
    "saved_bytes",
    "scatter",
]

# The site's colours. Its style sheet replaces each by a lighter one on a dark page.
FOR: Final = "#0b6a86"  # positive numbers
AGAINST: Final = "#b04a1f"  # negative numbers
THIRD: Final = "#6a4fb3"
FOURTH: Final = "#55702a"
MAX_TICKS: Final = 10  # so many numbers fit below an axis


def heat_map(shares: Sequence[float], n_layers: int, title: str = "") -> Any:
    """Draw a number for each head in a grid: a layer in each row, a head in each column.

    Args:
        shares: [layer * head], in the order of `head_logit_attrs`.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    values = [float(share) for share in shares]
    n_heads = len(values) // n_layers
    grid = [values[layer * n_heads : (layer + 1) * n_heads] for layer in range(n_layers)]
    figure = _make_figure(2.5 + 0.9 * n_heads, 1.2 + 0.7 * n_layers)
    _draw_cells(figure, grid, _number("H", n_heads), _number("L", n_layers), title)
    return figure


def patches(
    values: Sequence[Sequence[float]], words: Sequence[str] | None = None, title: str = ""
) -> Any:
    """Draw the effect of each patch of a sweep: a word or head in each row, a layer in each column.

    Args:
        values: [layer, pos] or [layer, head], as lists or a tensor.
        words: The words at the positions, to label the rows. None labels heads: `H0`, `H1`, ..

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    grid = [[float(value) for value in row] for row in zip(*values, strict=True)]
    rows = _number("H", len(grid)) if words is None else words
    figure = _make_figure(2.4 + 0.7 * len(grid[0]), 1.2 + 0.27 * len(grid))
    _draw_cells(figure, grid, _number("L", len(grid[0])), rows, title).set_xlabel("layer")
    return figure


def scatter(
    x: Sequence[float], y: Sequence[float], x_label: str, y_label: str, title: str = ""
) -> Any:
    """Draw a point for each pair of numbers, and the line on which both are equal.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    x_values, y_values = ([float(value) for value in values] for values in (x, y))
    figure = _make_figure(4.6, 4.2)
    axes = figure.subplots()
    ends = [min(x_values + y_values), max(x_values + y_values)]
    axes.plot(ends, ends, "-", color="#999999", linewidth=1)
    axes.plot(x_values, y_values, "o", markersize=4, color=FOR)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    return figure


def saved_bytes(
    batches: Sequence[int],
    exact: Sequence[float],
    predicted: Sequence[float],
    layers: Sequence[int],
    of_layers: Sequence[float],
) -> Any:
    """Draw the bytes that autodiff keeps, over the batch size and over the number of layers.

    Args:
        exact: Measured bytes at each batch size.
        predicted: Bytes at each batch size by the formula.
        layers: Numbers of layers.
        of_layers: Bytes at each number of layers by the formula.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    figure = _make_figure(8, 3)
    left, right = figure.subplots(1, 2)
    left.plot(batches, [size / 1e6 for size in exact], "o", label="exact")
    left.plot(batches, [size / 1e6 for size in predicted], "-", label="predicted")
    left.set(
        xlabel="batch size",
        ylabel="MB kept for backward",
        title="Linear in the batch size, plus a constant",
    )
    left.legend()
    right.plot(layers, [size / 1e6 for size in of_layers], "-o")
    right.set(xlabel="layers", ylabel="MB, predicted", title="Linear in the number of layers")
    return figure


def attention(pattern: Sequence[Sequence[float]], words: Sequence[str], title: str = "") -> Any:
    """Draw an attention pattern: a query in each row, a key in each column.

    Args:
        pattern: [query, key], as lists or a tensor.
        words: The tokens, as strings, to label both axes.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    side = 1.6 + 0.32 * len(words)
    figure = _make_figure(side, side)
    axes = figure.subplots()
    weights = [[float(weight) for weight in row] for row in pattern]
    axes.imshow(weights, cmap=_make_colour_map(FOR), vmin=0, vmax=1)
    axes.set_xticks(range(len(words)), words, rotation=60, ha="right")
    axes.set_yticks(range(len(words)), words)
    axes.set(xlabel="looks at", ylabel="word", title=title)
    return figure


def bars(labels: Sequence[str], values: Sequence[float], title: str = "", unit: str = "") -> Any:
    """Draw a horizontal bar for each value, the first on top.

    Args:
        unit: The unit of the values, written below the axis.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    figure = _make_figure(5.2, 1 + 0.27 * len(labels))
    axes = figure.subplots()
    sizes = [float(value) for value in values]
    drawn = axes.barh(range(len(labels)), sizes, color=[FOR if v >= 0 else AGAINST for v in sizes])
    axes.bar_label(drawn, fmt="%.2f", padding=3)
    axes.margins(x=0.18)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set(title=title, xlabel=unit)
    return figure


def curves(
    x: Sequence[float],
    lines: dict[str, Sequence[float]],
    x_label: str,
    y_label: str,
    log: bool = False,
) -> Any:
    """Draw a line for each entry of `lines`. Up to 10 points each get a tick on the x axis.

    Args:
        lines: The y values of each line, by its name.
        log: Make both axes logarithmic.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    figure = _make_figure(5.2, 3.2)
    axes = figure.subplots()
    axes.set_prop_cycle(color=[FOR, AGAINST, THIRD, FOURTH])
    for name, y in lines.items():
        axes.plot(list(x), [float(value) for value in y], "o-", markersize=3, label=name)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(xlabel=x_label, ylabel=y_label)
    if log:
        axes.set(xscale="log", yscale="log")
    if len(x) <= MAX_TICKS:
        axes.set_xticks(list(x), [f"{value:g}" for value in x])
        axes.set_xticks([], minor=True)
    axes.legend(frameon=False)
    return figure


def _draw_cells(
    figure: Any,
    grid: Sequence[Sequence[float]],
    columns: Sequence[str],
    rows: Sequence[str],
    title: str,
) -> Any:
    """Draw a grid of coloured cells, each with its number. Returns the matplotlib Axes."""
    most = max(abs(value) for row in grid for value in row) or 1.0
    axes = figure.subplots()
    colour_map = _make_colour_map(AGAINST, FOR)
    image = axes.imshow(grid, cmap=colour_map, vmin=-most, vmax=most, aspect="auto")
    for y, row in enumerate(grid):
        for x, value in enumerate(row):
            colour = "white" if abs(value) > 0.6 * most else "black"
            number = f"{round(value, 1) + 0.0:+.1f}"  # + 0.0 turns -0.0 into 0.0
            axes.text(x, y, number, ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(grid)), rows)
    axes.set_title(title, size=9)
    figure.colorbar(image, ax=axes)
    return axes


def _number(letter: str, count: int) -> list[str]:
    return [f"{letter}{number}" for number in range(count)]


def _make_colour_map(*colours: str) -> Any:
    """Make a colour map of one or two colours. At 0 it is transparent, for light and dark pages."""
    matplotlib = optional("matplotlib.colors", "plots", "matplotlib")
    ends = [matplotlib.to_rgba(colour) for colour in colours]
    middle = (*ends[-1][:3], 0.0)
    steps = [middle, ends[0]] if len(ends) == 1 else [ends[0], (*ends[0][:3], 0.0), middle, ends[1]]
    places = [0, 1] if len(ends) == 1 else [0, 0.5, 0.5, 1]
    return matplotlib.LinearSegmentedColormap.from_list("", list(zip(places, steps, strict=True)))


def _make_figure(width: float, height: float) -> Any:
    matplotlib = optional("matplotlib.figure", "plots", "matplotlib")
    return matplotlib.Figure(figsize=(width, height), layout="constrained")


def save(figure: Any, file: str | Path) -> None:
    """Write a figure as SVG."""
    figure.savefig(file, format="svg", metadata={"Date": None})
