"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "predicts_itself",
        {
            "tokens[:, 1:]": "tokens[:, :-1]",
        },
        "The shares are those of the token that stands at the position. The token asked for is the "
        "next one, at p + 1.",
    ),
    Edit(
        "shifted_parts",
        {"parts[:, :, :-1], scale[:, :-1]": "parts[:, :, 1:], scale[:, 1:]"},
        "The stream is taken one position too late. The logits of the token at p + 1 are made from "
        "the stream at p.",
    ),
    Edit(
        "shifted_scale",
        {"scale[:, :-1]": "scale[:, 1:]"},
        "The scale is that of the next position. Each position is divided by its own.",
    ),
    Edit(
        "embedding_row",
        {"model.W_U.T[answers]": "model.W_E[answers]"},
        "The direction is the token's embedding, a row of W_E. The logit is read off by the "
        "unembedding: the token's column of W_U, which is another vector.",
    ),
    Edit(
        "no_layernorm",
        {"(parts - parts.mean(-1, keepdim=True)) / scale * model.ln_final.w": "parts"},
        "The parts meet W_U as they are. Between the stream and the logits stands the final "
        "LayerNorm: centre, divide by the run's scale, multiply by w.",
    ),
    Edit(
        "no_centring",
        {"(parts - parts.mean(-1, keepdim=True))": "parts"},
        "The centring is missing. The LayerNorm takes the mean over d_model off before it divides.",
    ),
    Edit(
        "over_positions",
        {"mean(-1": "mean(-2"},
        "The mean is taken over the positions. It is the mean of the d_model numbers of one part at "
        "one position.",
    ),
    Edit(
        "mean_of_the_sum",
        {"parts.mean(-1": "parts.sum(0).mean(-1"},
        "Each part loses the mean of the whole stream. Each loses its own.",
    ),
    Edit(
        "no_scale",
        {" / scale": ""},
        "The division by the scale is missing.",
    ),
    Edit(
        "own_scale",
        {
            " / scale": " / ((parts - parts.mean(-1, keepdim=True)).pow(2).mean(-1, keepdim=True)"
            " + 1e-5).sqrt()"
        },
        "Each part is divided by a scale of its own. Then the shares do not add up. The scale is the "
        "run's, one for all parts.",
    ),
    Edit(
        "no_weight",
        {" * model.ln_final.w": ""},
        "The LayerNorm's weight w is missing. It is all ones in a model with folded LayerNorms, and "
        "in no other.",
    ),
    Edit(
        "bias_in_each_part",
        {"* model.ln_final.w": "* model.ln_final.w + model.ln_final.b"},
        "The LayerNorm's bias is added to every part. Summed over the parts it counts many times. "
        "It belongs in the constant, once.",
    ),
    Edit(
        "b_U_in_each_part",
        {"(normed * directions).sum(-1)": "(normed * directions).sum(-1) + model.b_U[answers]"},
        "b_U is added to every part. Summed over the parts it counts many times. It is added to the "
        "logit once, and belongs in the constant.",
    ),
    Edit(
        "no_b_U",
        {" + model.b_U[answers]": ""},
        "The constant lacks b_U, the bias of the unembedding. Each token has its own.",
    ),
    Edit(
        "no_ln_bias",
        {"directions @ model.ln_final.b + ": ""},
        "The constant lacks the LayerNorm's bias. It meets the token's direction like any part.",
    ),
    Edit(
        "scaled_ln_bias",
        {"directions @ model.ln_final.b": "directions @ model.ln_final.b / scale[..., 0]"},
        "The LayerNorm's bias is divided by the scale. It is added after the division.",
    ),
    Edit(
        "b_U_of_the_token_itself",
        {"model.b_U[answers]": "model.b_U[tokens[:, :-1]]"},
        "The b_U in the constant is that of the token at the position. It is that of the next token.",
    ),
    Edit(
        "constant_over_parts",
        {"return shares, constant": "return shares, constant / len(parts)"},
        "The constant is divided among the parts. No part owns it: it is added once, whole.",
    ),
    Edit(
        "summed",
        {"return shares": "return shares.sum(0)"},
        "The sum over the parts is returned. Each part's share is asked for.",
    ),
    Edit(
        "squeezed",
        {"return shares": "return shares.squeeze()"},
        "An axis of size 1 is gone. `squeeze()` takes off every such axis, the batch's as well.",
    ),
    Edit(
        "in_place",
        {"(parts - parts.mean(-1, keepdim=True))": "parts.sub_(parts.mean(-1, keepdim=True))"},
        "The caller's `parts` have changed: `-=` and methods that end in `_` write into the tensor "
        "that was given.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "shares = (normed * directions).sum(-1) -> shares = normed.mul_(directions).sum(-1)": "The tensor was made here, and nobody else has it.",
}
