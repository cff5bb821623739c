"""What exercise 12 shows: shares that sum to what the LayerNorm gave."""

import torch

from exercises.grader.kit import points, run

TITLE = "LayerNorm is linear, once its scale is known"
LESSON = "lesson 5, LayerNorm and logits"
AXES = "component batch pos d_model"


def of_a_model(**shape):
    model, _, _, cache = run(**shape)
    parts, weight = cache.decompose_resid(), model.ln_final.w.detach()
    return {"parts": parts, "scale": cache["ln_final.hook_scale"], "weight": weight}


def by_hand(*shape, dtype=torch.float64):
    """Parts whose scale is not that of their sum: it is given, whatever it is."""
    generator = torch.Generator().manual_seed(sum(shape))
    parts = torch.randn(shape, generator=generator, dtype=dtype) + 1
    scale = torch.rand(*shape[1:3], 1, generator=generator, dtype=dtype) + 0.5
    return {
        "parts": parts,
        "scale": scale,
        "weight": torch.randn(shape[3], generator=generator, dtype=dtype),
    }


def ask(answer, see, label, given):
    see(label, lambda: answer.apply_ln(**given), AXES, **given)


@points(2)
def test_the_shares_of_all_parts(answer, see):
    ask(answer, see, "apply_ln(parts, scale, weight)", of_a_model())
    ask(answer, see, "apply_ln(parts, scale, weight), one layer", of_a_model(n_layers=1))
    ask(answer, see, "apply_ln(..) with another scale", by_hand(4, 3, 2, 5))
    ask(answer, see, "apply_ln(..) in float32", by_hand(3, 2, 4, 6, dtype=torch.float32))
    ask(answer, see, "apply_ln(..) of one part, one item, one position", by_hand(1, 1, 1, 4))
    ask(answer, see, "apply_ln(..) with a batch of 1", by_hand(2, 1, 3, 4))
    ask(answer, see, "apply_ln(..) with one position", by_hand(2, 3, 1, 4))
    small = by_hand(2, 2, 3, 4)
    ask(answer, see, "apply_ln(..) with a small scale", {**small, "scale": small["scale"] / 100})
    ask(answer, see, "apply_ln(..) where all sizes are 3", by_hand(3, 3, 3, 3))


def test_a_part_has_the_same_share_in_any_company(answer, see):
    given = by_hand(4, 2, 3, 5)
    for label, parts in {
        "the first part alone": given["parts"][:1],
        "the parts, doubled": 2 * given["parts"],
        "one part of zeros": given["parts"][:1] * 0,
    }.items():
        ask(answer, see, f"apply_ln(..) of {label}", {**given, "parts": parts})


@points(2)
def test_the_shares_sum_to_the_layernorms_result_less_its_bias(answer, see):
    given = of_a_model(n_layers=4, n_heads=2)
    see(
        "apply_ln(parts, scale, weight).sum(0)",
        lambda: answer.apply_ln(**given).sum(0),
        "batch pos d_model",
        **given,
    )
