"""Draw findings with matplotlib, which the extra `plots` brings.

The functions are few and simple, and take plain numbers and words.
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

# The site's colours: its style sheet replaces each by a lighter one on the dark page.
FOR: Final = "#0b6a86"
AGAINST: Final = "#b04a1f"
THIRD: Final = "#6a4fb3"
FOURTH: Final = "#55702a"
FEW: Final = 10  # so many numbers find room below an axis


def heat_map(shares: Sequence[float], n_layers: int, title: str = "") -> Any:
    """A cell for each head: a row a layer, a column a head. Returns a matplotlib Figure.

    Args:
        shares: [layer * head], as `head_logit_attrs` orders them.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    values = [float(share) for share in shares]
    n_heads = len(values) // n_layers
    grid = [values[layer * n_heads : (layer + 1) * n_heads] for layer in range(n_layers)]
    figure = _figure(2.5 + 0.9 * n_heads, 1.2 + 0.7 * n_layers)
    _cells(figure, grid, _numbered("H", n_heads), _numbered("L", n_layers), title)
    return figure


def patches(
    values: Sequence[Sequence[float]], words: Sequence[str] | None = None, title: str = ""
) -> Any:
    """What each patch of a sweep did: a row a word or a head, a column a layer.

    Returns a matplotlib Figure, tall and narrow: words can be read, however many there are.

    Args:
        values: [layer, pos] or [layer, head], as lists or a tensor.
        words: The words at the positions. None names heads: `H0`, `H1`, ..

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    grid = [[float(value) for value in row] for row in zip(*values, strict=True)]
    names = _numbered("H", len(grid)) if words is None else words
    figure = _figure(2.4 + 0.7 * len(grid[0]), 1.2 + 0.27 * len(grid))
    _cells(figure, grid, _numbered("L", len(grid[0])), names, title).set_xlabel("layer")
    return figure


def scatter(
    x: Sequence[float], y: Sequence[float], x_label: str, y_label: str, title: str = ""
) -> Any:
    """A point for each pair, and the line on which both are equal. Returns a matplotlib Figure.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    across, up = ([float(value) for value in values] for values in (x, y))
    figure = _figure(4.6, 4.2)
    axes = figure.subplots()
    ends = [min(across + up), max(across + up)]
    axes.plot(ends, ends, "-", color="#999999", linewidth=1)
    axes.plot(across, up, "o", markersize=4, color=FOR)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    return figure


def saved_bytes(
    batches: Sequence[int],
    exact: Sequence[float],
    predicted: Sequence[float],
    layers: Sequence[int],
    of_layers: Sequence[float],
) -> Any:
    """What autodiff keeps against the batch size and the layers. Returns a matplotlib Figure.

    Args:
        exact: Bytes at each batch size, measured.
        predicted: The same by the formula.
        of_layers: Bytes at each number of layers, by the formula.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    figure = _figure(8, 3)
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
    """Where each word looks: a row a query, a column a key. Returns a matplotlib Figure.

    Args:
        pattern: [query, key], as lists or a tensor.
        words: The tokens, as strings.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    side = 1.6 + 0.32 * len(words)
    figure = _figure(side, side)
    axes = figure.subplots()
    axes.imshow(
        [[float(weight) for weight in row] for row in pattern], cmap=_shades(FOR), vmin=0, vmax=1
    )
    axes.set_xticks(range(len(words)), words, rotation=60, ha="right")
    axes.set_yticks(range(len(words)), words)
    axes.set(xlabel="looks at", ylabel="word", title=title)
    return figure


def bars(labels: Sequence[str], values: Sequence[float], title: str = "", unit: str = "") -> Any:
    """A horizontal bar for each value, the first on top. Returns a matplotlib Figure.

    Args:
        unit: What the values are, below the axis.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    figure = _figure(5.2, 1 + 0.27 * len(labels))
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
    """A line for each entry of `lines`. Returns a matplotlib Figure.

    Where there are few points, each has its tick on the x axis.

    Args:
        log: Both axes are logarithmic.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    figure = _figure(5.2, 3.2)
    axes = figure.subplots()
    axes.set_prop_cycle(color=[FOR, AGAINST, THIRD, FOURTH])
    for name, y in lines.items():
        axes.plot(list(x), [float(value) for value in y], "o-", markersize=3, label=name)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(xlabel=x_label, ylabel=y_label)
    if log:
        axes.set(xscale="log", yscale="log")
    if len(x) <= FEW:
        axes.set_xticks(list(x), [f"{value:g}" for value in x])
        axes.set_xticks([], minor=True)
    axes.legend(frameon=False)
    return figure


def _cells(
    figure: Any,
    grid: Sequence[Sequence[float]],
    columns: Sequence[str],
    rows: Sequence[str],
    title: str,
) -> Any:
    """A number and a colour in each cell."""
    most = max(abs(value) for row in grid for value in row) or 1.0
    axes = figure.subplots()
    image = axes.imshow(grid, cmap=_shades(AGAINST, FOR), vmin=-most, vmax=most, aspect="auto")
    for place, row in enumerate(grid):
        for column, value in enumerate(row):
            colour = "white" if abs(value) > 0.6 * most else "black"
            number = f"{round(value, 1) + 0.0:+.1f}"  # + 0.0 turns -0.0 into 0.0
            axes.text(column, place, number, ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(grid)), rows)
    axes.set_title(title, size=9)
    figure.colorbar(image, ax=axes)
    return axes


def _numbered(letter: str, count: int) -> list[str]:
    return [f"{letter}{number}" for number in range(count)]


def _shades(*colours: str) -> Any:
    """A colour map of one or two colours that is transparent at 0, on a light or dark page."""
    matplotlib = optional("matplotlib.colors", "plots", "matplotlib")
    ends = [matplotlib.to_rgba(colour) for colour in colours]
    middle = (*ends[-1][:3], 0.0)
    steps = [middle, ends[0]] if len(ends) == 1 else [ends[0], (*ends[0][:3], 0.0), middle, ends[1]]
    places = [0, 1] if len(ends) == 1 else [0, 0.5, 0.5, 1]
    return matplotlib.LinearSegmentedColormap.from_list("", list(zip(places, steps, strict=True)))


def _figure(width: float, height: float) -> Any:
    matplotlib = optional("matplotlib.figure", "plots", "matplotlib")
    return matplotlib.Figure(figsize=(width, height), layout="constrained")


def save(figure: Any, file: str | Path) -> None:
    """Write a figure as SVG."""
    figure.savefig(file, format="svg", metadata={"Date": None})
