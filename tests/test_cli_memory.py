"""`python -m minicache memory`: a table, JSON, a picture, and what a user can get wrong."""

from __future__ import annotations

import json

import pytest

from minicache.__main__ import main


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
