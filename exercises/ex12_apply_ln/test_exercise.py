"""What exercise 12 shows: shares that sum to what the LayerNorm gave."""

from exercises.grader.kit import points, run

TITLE = "LayerNorm is linear, once its scale is known"
LESSON = "lesson 5, LayerNorm and logits"
AXES = "component batch pos d_model"


def world():
    model, _, _, cache = run()
    return model, cache.decompose_resid(), cache["ln_final.hook_scale"], model.ln_final.w


@points(2)
def test_the_shares_of_all_parts(answer, see):
    _, parts, scale, weight = world()
    see("apply_ln(parts, scale, w)", lambda: answer.apply_ln(parts, scale, weight), AXES)


def test_the_shares_sum_to_the_layernorms_result_less_its_bias(answer, see):
    _, parts, scale, weight = world()
    see(
        "apply_ln(parts, scale, w).sum(0)",
        lambda: answer.apply_ln(parts, scale, weight).sum(0),
        "batch pos d_model",
    )


def test_a_part_has_the_same_share_in_any_company(answer, see):
    _, parts, scale, weight = world()
    see("apply_ln(parts[:1], scale, w)", lambda: answer.apply_ln(parts[:1], scale, weight), AXES)
    see(
        "apply_ln(2 * parts, scale, w)",
        lambda: answer.apply_ln(2 * parts, scale, weight),
        AXES,
    )


def test_the_parts_are_left_as_they_were(answer, see):
    _, parts, scale, weight = world()
    before = parts.clone()
    see("the result's shape", lambda: list(answer.apply_ln(parts, scale, weight).shape))
    see("are the parts as they were?", lambda: bool((parts == before).all()))
