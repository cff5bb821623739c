"""What exercise 14 shows: the shares of heads and biases, and how much memory it took."""

import torch

from exercises.grader.kit import points, run
from minicache.memory.live import LiveBytes

TITLE = "never build what you only project"
LESSON = "lesson 14, Heads and neurons, fused"
AXES = "component batch pos"


def world():
    model, _, _, cache = run()
    directions = model.tokens_to_residual_directions(torch.tensor([3, 9]))
    return {
        "z": cache.stack_activation("z"),
        "W_O": model.W_O,
        "b_O": model.b_O,
        "directions": directions,
        "scale": cache["ln_final.hook_scale"],
        "weight": model.ln_final.w,
    }


@points(2)
def test_the_share_of_every_head(answer, see):
    see(
        "head_attribution(..)[:-1], the heads",
        lambda: answer.head_attribution(**world())[:-1],
        AXES,
    )
    see("its shape", lambda: list(answer.head_attribution(**world()).shape))


def test_the_last_row_is_the_biases(answer, see):
    see(
        "head_attribution(..)[-1], the biases",
        lambda: answer.head_attribution(**world())[-1],
        "batch pos",
    )
    see(
        "head_attribution(..).sum(0)",
        lambda: answer.head_attribution(**world()).sum(0),
        "batch pos",
    )


@points(2)
def test_the_memory_is_a_small_part_of_the_built_stack(answer, see):
    layer, batch, pos, head, d_head, d_model = 2, 4, 64, 8, 4, 128
    big = {
        "z": torch.randn(layer, batch, pos, head, d_head),
        "W_O": torch.randn(layer, head, d_head, d_model),
        "b_O": torch.randn(layer, d_model),
        "directions": torch.randn(batch, d_model),
        "scale": torch.rand(batch, pos, 1) + 1,
        "weight": torch.randn(d_model),
    }
    built = 4 * layer * batch * pos * head * d_model

    def small():
        with LiveBytes() as live:
            answer.head_attribution(**big)
        return live.peak < built / 4

    see("is the peak below a quarter of what the built stack takes?", small)
