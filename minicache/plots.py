"""The easel: pictures of findings, as SVG. It needs matplotlib, the extra `plots`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minicache.guards import MissingPackageError

__all__ = ["head_attributions", "saved_bytes"]


def head_attributions(findings: dict[str, Any], n_layers: int, file: str | Path) -> None:
    """Draw what each head adds to the answer's logit: a row a layer, a column a head.

    Args:
        findings: As `minicache.apps.tour.look` gathers them.
        file: The SVG to write.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    shares = [row["share"] for row in findings["heads"]]
    n_heads = len(shares) // n_layers
    grid = [shares[layer * n_heads : (layer + 1) * n_heads] for layer in range(n_layers)]
    most = max(map(abs, shares)) or 1.0
    figure = _figure(1.2 + 0.9 * n_heads, 1.2 + 0.7 * n_layers)
    axes = figure.subplots()
    image = axes.imshow(grid, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
    for layer, row in enumerate(grid):
        for head, share in enumerate(row):
            colour = "white" if abs(share) > 0.6 * most else "black"
            axes.text(head, layer, f"{share:+.1f}", ha="center", va="center", color=colour)
    axes.set_xticks(range(n_heads), [f"H{head}" for head in range(n_heads)])
    axes.set_yticks(range(n_layers), [f"L{layer}" for layer in range(n_layers)])
    versus = f" less {findings['versus']!r}" if findings["versus"] else ""
    axes.set_title(f"What each head adds to the logit of {findings['answer']!r}{versus}", size=9)
    figure.colorbar(image, ax=axes)
    _save(figure, file)


def saved_bytes(findings: dict[str, Any], file: str | Path) -> None:
    """Draw what autodiff keeps against the batch size and the number of layers.

    Args:
        findings: As `minicache.apps.memory.look` gathers them.
        file: The SVG to write.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    figure = _figure(8, 3)
    left, right = figure.subplots(1, 2)
    sizes = [row["batch"] for row in findings["sweep"]]
    for name, style in (("exact", "o"), ("predicted", "-")):
        left.plot(sizes, [row[name] / 1e6 for row in findings["sweep"]], style, label=name)
    left.set(xlabel="batch size", ylabel="MB kept for backward", title="A line, but not through 0")
    left.legend()
    layers = findings["layers"]
    right.plot([row["layers"] for row in layers], [row["predicted"] / 1e6 for row in layers], "-o")
    right.set(xlabel="layers", ylabel="MB, predicted", title="A layer costs what a layer costs")
    _save(figure, file)


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingPackageError(
            "Plots need matplotlib: pip install -c constraints.txt 'minicache[plots]'"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, file: str | Path) -> None:
    figure.savefig(file, format="svg", metadata={"Date": None})
