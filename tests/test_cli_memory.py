"""`python -m minicache memory`: a table, JSON, a picture, and what a user can get wrong."""

from __future__ import annotations

import json

import pytest

from minicache import HookedTransformer
from minicache.__main__ import main
from minicache.cli import memory as app


@pytest.fixture(scope="module")
def findings():
    return app.look(HookedTransformer.from_pretrained(), batch=8, pos=20)


def test_every_method_gives_a_number_or_says_why_not(findings):
    assert {row["number"] for row in findings["methods"]} == {1, 2, 3, 4, 5, 6}
    for row in findings["methods"]:
        assert (row["says"] is None) != (row["why_not"] is None)
        assert row["good_for"]


def test_the_comparisons_and_the_line_find_the_exact_figure(findings):
    says = {row["method"]: row["says"] for row in findings["methods"]}
    assert findings["exact"] == findings["predicted"]
    assert says["less no_grad"] == says["less inference_mode"] == findings["exact"]
    # A mask takes one byte where a number takes four, so the line is exact and not nearly so.
    assert says["batch size, a line"] == pytest.approx(findings["exact"], rel=1e-9)
    logits = 8 * 20 * 123 * 4
    assert says["TensorBoard scalar"] == findings["exact"] + logits
    assert says["torch.profiler"] == pytest.approx(findings["exact"] + logits, rel=0.01)


def test_the_app_prints_a_table_json_and_a_plot(capsys, tmp_path):
    plot = tmp_path / "sweep.svg"
    assert main(["memory", "--batch", "3", "--pos", "9", "--plot", str(plot)]) == 0
    shown = capsys.readouterr().out
    assert "0 bytes off" in " ".join(shown.split())
    assert "torch.profiler" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert plot.read_text().startswith("<?xml")
    assert main(["memory", "--batch", "1", "--pos", "9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["batch"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ["--batch", "0"],
        ["--pos", "1000"],
        ["--device", "nowhere"],
        ["--model", "no/such"],
        ["--cuda-report", "somewhere"],
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_line(capsys, wrong):
    assert main(["memory", *wrong]) == 2
    told = capsys.readouterr().err
    assert told.startswith("minicache: ")
    assert "Traceback" not in told
