"""The pictures: that they are drawn, and that a missing matplotlib is told."""

from __future__ import annotations

import sys

import pytest

from minicache import plots
from minicache.guards import MissingPackageError


def test_each_picture_shows_what_it_was_given():
    figure = plots.attention([[1.0, 0.0], [0.25, 0.75]], ["In", "France"], "where")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["In", "France"]
    assert axes.images[0].get_array().tolist() == [[1.0, 0.0], [0.25, 0.75]]
    (axes,) = plots.bars(["embed", "0_attn_out"], [2.0, -1.0]).axes
    assert [bar.get_width() for bar in axes.patches] == [2.0, -1.0]
    for log, scale in ((False, "linear"), (True, "log")):
        (axes,) = plots.curves([1, 2], {"one": [3, 4], "two": [5, 6]}, "x", "y", log).axes
        assert [line.get_label() for line in axes.lines] == ["one", "two"]
        assert axes.get_xscale() == axes.get_yscale() == scale


def test_without_matplotlib_the_command_that_brings_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPackageError, match="pip install"):
        plots.bars(["a"], [1.0])
