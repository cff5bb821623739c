"""Training: a folder that loads, the same from one seed, and mistakes told before the work."""

import json

import pytest
import torch

import minicache
from minicache.__main__ import main
from minicache.cli.train import make_untrained, train


def test_training_writes_a_folder_that_loads_and_that_the_tour_can_show(tmp_path, capsys):
    out = tmp_path / "trained"
    assert main(["train", "--steps", "3", "--layers", "1", "--out", str(out)]) == 0
    model = minicache.HookedTransformer.from_pretrained(out)
    assert model.cfg.n_layers == 1
    assert len(json.loads((out / "history.json").read_text())) == 4
    assert "Its heads" in (out / "CARD.md").read_text()
    assert "repeated_words" in capsys.readouterr().out
    assert main(["--model", str(out)]) == 0


def test_training_twice_from_one_seed_gives_the_same_weights():
    made = []
    for _ in range(2):
        model = make_untrained(1, 5)
        (first, _) = train(model, 5, 3, checkpoints=1)
        assert first["step"] == 0
        assert not model.training
        made.append(model.state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_in_the_place_of_the_folder_is_told_before_training(tmp_path, capsys, place):
    (tmp_path / "file").write_text("mine")
    assert main(["train", "--out", str(tmp_path / place), "--steps", "2147483647"]) == 2
    assert str(tmp_path / place) in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"
