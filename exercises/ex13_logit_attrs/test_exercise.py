"""What exercise 13 shows: shares and a constant that sum to the logits of the next tokens."""

from exercises.grader.kit import points, run

TITLE = "from parts to logits"
LESSON = "lesson 5, LayerNorm and logits"
AXES = "component batch pos"


def attrs(answer, item):
    model, tokens, _, cache = run()
    scale = cache["ln_final.hook_scale"]
    return answer.logit_attrs(model, cache.decompose_resid(), scale, tokens)[item]


@points(2)
def test_the_shares_of_each_part(answer, see):
    see("shares, constant = logit_attrs(..): shares", lambda: attrs(answer, 0), AXES)


def test_the_constant(answer, see):
    see("shares, constant = logit_attrs(..): constant", lambda: attrs(answer, 1), "batch pos")


def test_shares_and_constant_are_the_logits_of_the_next_tokens(answer, see):
    see(
        "shares.sum(0) + constant",
        lambda: attrs(answer, 0).sum(0) + attrs(answer, 1),
        "batch pos",
    )


def test_one_part_alone(answer, see):
    model, tokens, _, cache = run()
    part, scale = cache.decompose_resid()[2:3], cache["ln_final.hook_scale"]
    see(
        "the shares of parts[2:3] alone",
        lambda: answer.logit_attrs(model, part, scale, tokens)[0],
        AXES,
    )
