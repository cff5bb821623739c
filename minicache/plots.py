"""The easel: pictures of findings, as SVG. It needs matplotlib, the extra `plots`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minicache.guards import MissingPackageError

__all__ = ["head_attributions"]


def head_attributions(findings: dict[str, Any], n_layers: int, file: str | Path) -> None:
    """Draw what each head adds to the answer's logit: a row a layer, a column a head.

    Args:
        findings: As `minicache.apps.tour.look` gathers them.
        file: The SVG to write.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingPackageError(
            "Plots need matplotlib: pip install -c constraints.txt 'minicache[plots]'"
        ) from None
    shares = [row["share"] for row in findings["heads"]]
    n_heads = len(shares) // n_layers
    grid = [shares[layer * n_heads : (layer + 1) * n_heads] for layer in range(n_layers)]
    most = max(map(abs, shares)) or 1.0
    figure = Figure(figsize=(1.2 + 0.9 * n_heads, 1.2 + 0.7 * n_layers), layout="constrained")
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
    figure.savefig(file, format="svg", metadata={"Date": None})
