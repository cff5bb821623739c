"""What exercise 13 shows: shares and a constant that sum to the logits of the next tokens."""

from functools import cache

import torch

from exercises.grader.kit import patient, points

TITLE = "from parts to logits"
LESSON = "lesson 5, LayerNorm and logits"
AXES = "component batch pos"


@cache
def world(n_layers=2, batch=2, pos=4, dtype=torch.float64):
    """What the call is given, on one run of a random model."""
    model = patient(n_layers).to(dtype)
    tokens = (torch.arange(batch * pos).reshape(batch, pos) * 7 + 1) % 11
    _, acts = model.run_with_cache(tokens)
    scale = acts["ln_final.hook_scale"]
    return {"model": model, "parts": acts.decompose_resid(), "scale": scale, "tokens": tokens}


WORLDS = {
    "batch 2, 4 positions": {},
    "batch 1, 2 positions": {"batch": 1, "pos": 2, "n_layers": 1},
    "batch 3, 3 positions, float32": {"batch": 3, "pos": 3, "dtype": torch.float32},
}


def make_ready():
    for shape in WORLDS.values():
        world(**shape)


def ask(answer, see, label, item, given, axes=AXES):
    see(label, lambda: answer.logit_attrs(**given)[item], axes, **given)


def test_the_shares_of_each_part(answer, see):
    for name, shape in WORLDS.items():
        ask(answer, see, f"shares, constant = logit_attrs(..), {name}: shares", 0, world(**shape))


@points(2)
def test_the_constant(answer, see):
    for name, shape in WORLDS.items():
        label = f"shares, constant = logit_attrs(..), {name}: constant"
        ask(answer, see, label, 1, world(**shape), "batch pos")


@points(2)
def test_a_part_has_the_same_share_in_any_company(answer, see):
    given = world()
    one = {**given, "parts": given["parts"][2:3]}
    ask(answer, see, "parts[2:3] alone: shares", 0, one)
    ask(answer, see, "parts[2:3] alone: constant", 1, one, "batch pos")
    other = {**given, "scale": 2 * given["scale"]}
    ask(answer, see, "with twice the scale: shares", 0, other)
    ask(answer, see, "with twice the scale: constant", 1, other, "batch pos")
