"""What exercise 14 shows: the shares of heads and biases, and how much memory it took."""

from functools import cache

import torch

from exercises.grader.kit import points
from minicache.memory.live import LiveBytes

TITLE = "never build what you only project"
LESSON = "lesson 14, Heads and neurons"
AXES = "component batch pos"


@cache
def world(layer=2, batch=2, pos=3, head=4, d_head=5, d_model=6, dtype=torch.float64):
    generator = torch.Generator().manual_seed(layer * pos + d_model)

    def random(*shape):
        return torch.randn(shape, generator=generator, dtype=dtype)

    return {
        "z": random(layer, batch, pos, head, d_head),
        "W_O": random(layer, head, d_head, d_model),
        "b_O": random(layer, d_model),
        "directions": random(batch, d_model) + 0.5,
        "scale": random(batch, pos, 1).abs() + 0.5,
        "weight": random(d_model) + 1,
    }


WORLDS = {
    "2 layers of 4 heads": {},
    "1 layer of 1 head, batch 1, 1 position": {"layer": 1, "batch": 1, "pos": 1, "head": 1},
    "4 layers of 2 heads, float32": {"layer": 4, "head": 2, "dtype": torch.float32},
    "all sizes 3": dict.fromkeys(("layer", "batch", "pos", "head", "d_head", "d_model"), 3),
}


def test_the_share_of_every_head(answer, see):
    for name, shape in WORLDS.items():
        given = world(**shape)
        label = f"head_attribution(..), {name}"
        see(f"{label}: the heads", lambda g=given: answer.head_attribution(**g)[:-1], AXES, **given)


def test_the_last_row_is_the_biases(answer, see):
    for name, shape in WORLDS.items():
        given = world(**shape)
        label = f"head_attribution(..), {name}: the last row"
        see(label, lambda g=given: answer.head_attribution(**g)[-1], "batch pos", **given)


@points(3)
def test_the_memory_is_a_small_part_of_the_built_stack(answer, see):
    layer, batch, pos, head, d_head, d_model = 2, 4, 64, 8, 4, 128
    big = world(layer, batch, pos, head, d_head, d_model, torch.float32)
    built = 4 * layer * batch * pos * head * d_model

    def share():
        """The peak as a share of the built stack, in steps of a quarter, from above."""
        with LiveBytes() as live:
            answer.head_attribution(**big)
        return f"at most {-(-4 * live.peak // built)}/4 of the built stack"

    see(f"the peak of memory, where the built stack takes {built:,} bytes", share, **big)
