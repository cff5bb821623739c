"""The pictures: that they are drawn, and that a missing matplotlib is told."""

from __future__ import annotations

import sys

import pytest

from minicache import plots
from minicache.errors import MissingPackageError


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


def test_a_curve_of_few_points_has_a_tick_at_each():
    for log in (False, True):
        (axes,) = plots.curves([32, 64, 128, 256], {"one": [1, 2, 3, 4]}, "x", "y", log).axes
        assert [label.get_text() for label in axes.get_xticklabels()] == ["32", "64", "128", "256"]
        assert not len(axes.get_xticks(minor=True))
    (axes,) = plots.curves(range(80), {"one": range(80)}, "x", "y").axes
    assert len(axes.get_xticks()) < 20


def test_each_head_is_drawn_in_its_layers_row():
    figure = plots.heat_map([1.0, -2.0, 3.0, 0.0, 0.5, -4.0], 2, "shares")
    axes, colours = figure.axes  # the second tells which colour is which number
    assert axes.images[0].get_array().tolist() == [[1.0, -2.0, 3.0], [0.0, 0.5, -4.0]]
    assert axes.images[0].get_clim() == colours.get_ylim() == (-4.0, 4.0)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["H0", "H1", "H2"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["L0", "L1"]
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {
        (0, 0): "+1.0", (1, 0): "-2.0", (2, 0): "+3.0",
        (0, 1): "+0.0", (1, 1): "+0.5", (2, 1): "-4.0",
    }  # fmt: skip
    assert axes.get_title() == "shares"
    assert plots.heat_map([0.0, 0.0], 1).axes[0].images[0].get_clim() == (-1.0, 1.0)


def test_the_bytes_are_drawn_in_megabytes_against_batch_and_layers():
    figure = plots.saved_bytes([1, 2], [2e6, 4e6], [2e6, 4e6], [1, 2, 4], [3e6, 6e6, 12e6])
    left, right = figure.axes
    exact, predicted = left.lines
    assert (exact.get_label(), predicted.get_label()) == ("exact", "predicted")
    assert exact.get_xydata().tolist() == [[1, 2], [2, 4]]
    assert right.lines[0].get_xydata().tolist() == [[1, 3], [2, 6], [4, 12]]
    assert (left.get_xlabel(), right.get_xlabel()) == ("batch size", "layers")
    assert "MB" in left.get_ylabel()
    assert "MB" in right.get_ylabel()


def test_a_figure_is_written_as_svg(tmp_path):
    plots.save(plots.bars(["a"], [1.0]), tmp_path / "a.svg")
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


def test_without_matplotlib_the_command_that_brings_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPackageError, match="pip install"):
        plots.bars(["a"], [1.0])


def test_a_sweep_is_drawn_word_by_layer_or_head_by_layer():
    axes, _ = plots.patches([[1.0, 0.25], [-2.0, 0.0]], ["In", "France"], "restored").axes
    assert axes.images[0].get_array().tolist() == [[1.0, -2.0], [0.25, 0.0]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["In", "France"]
    axes, _ = plots.patches([[1.0, 0.25, 3.0]]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["H0", "H1", "H2"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["L0"]
    assert axes.get_xlabel() == "layer"


def test_a_number_that_rounds_to_nothing_has_no_minus():
    axes, _ = plots.patches([[-0.01, -1.0]]).axes
    assert [text.get_text() for text in axes.texts] == ["+0.0", "-1.0"]


def test_a_scatter_has_a_point_a_pair_and_the_line_of_equals():
    (axes,) = plots.scatter([1, 2], [0, 3], "truth", "estimate").axes
    line, points = axes.lines
    assert list(line.get_xdata()) == list(line.get_ydata()) == [0, 3]
    assert list(zip(points.get_xdata(), points.get_ydata(), strict=True)) == [(1, 0), (2, 3)]
    assert axes.get_xlabel() == "truth"
