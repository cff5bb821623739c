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
        "ln_bias_summed",
        {"directions @ model.ln_final.b": "model.ln_final.b.sum()"},
        "The LayerNorm's bias is summed as it is. It meets the token's direction, number by number.",
    ),
    Edit(
        "weighted_ln_bias",
        {"directions @ model.ln_final.b": "directions @ (model.ln_final.b * model.ln_final.w)"},
        "The LayerNorm's bias is multiplied by its weight. It is added after that.",
    ),
    Edit(
        "centred_ln_bias",
        {
            "directions @ model.ln_final.b": "directions @ (model.ln_final.b - model.ln_final.b.mean())"
        },
        "The LayerNorm's bias is centred. It is added after the centring.",
    ),
    Edit(
        "mean_b_U",
        {"model.b_U[answers]": "model.b_U.mean()"},
        "The constant holds the mean of b_U. Each token has its own entry.",
    ),
    Edit(
        "centred_b_U",
        {"model.b_U[answers]": "(model.b_U - model.b_U.mean())[answers]"},
        "b_U is centred over the vocabulary. The logit has the entry as it is.",
    ),
    Edit(
        "first_items_tokens",
        {"answers = tokens[:, 1:]": "answers = tokens[:1, 1:].expand_as(tokens[:, 1:])"},
        "The next tokens of the first item are used for all. Each item has its own.",
    ),
    Edit(
        "last_token_everywhere",
        {"answers = tokens[:, 1:]": "answers = tokens[:, -1:].expand_as(tokens[:, 1:])"},
        "The item's last token is used at each position. Each position has a next token of its own.",
    ),
    Edit(
        "predicted_token",
        {"answers = tokens[:, 1:]": "answers = model(tokens)[:, :-1].argmax(-1)"},
        "The token is the one that the model finds likeliest. The one that came next is asked for.",
    ),
    Edit(
        "all_next_tokens_at_once",
        {"(normed * directions).sum(-1)": "(normed * directions.sum(1, keepdim=True)).sum(-1)"},
        "Each position meets the directions of all next tokens, summed. Each meets that of its own: "
        "in an einsum both have the same letter for pos.",
    ),
    Edit(
        "centred_unembedding",
        {"model.W_U.T[answers]": "(model.W_U - model.W_U.mean(-1, keepdim=True)).T[answers]"},
        "W_U is centred over the vocabulary. Then the shares are those of a difference from the mean "
        "logit, and not of the logit.",
    ),
    Edit(
        "direction_weighted_then_not_centred",
        {
            "(normed * directions).sum(-1)": "((parts / scale) * (directions"
            " - directions.mean(-1, keepdim=True)) * model.ln_final.w).sum(-1)"
        },
        "The direction is centred before it is multiplied by the weight. Going backwards the last "
        "step comes first: multiply by w, then centre.",
    ),
    Edit(
        "weight_twice",
        {"* model.ln_final.w\n": "* model.ln_final.w * model.ln_final.w\n"},
        "The LayerNorm's weight counts twice.",
    ),
    Edit(
        "multiplies",
        {" / scale": " * scale"},
        "You multiply by the scale. It is what the LayerNorm divides by.",
    ),
    Edit(
        "first_positions_scale",
        {"scale[:, :-1]": "scale[:, :1]"},
        "The scale of the first position is used everywhere. Each position has its own.",
    ),
    Edit(
        "log_probability",
        {
            "return shares, constant": "return shares, constant - model(tokens)[:, :-1].logsumexp(-1)"
        },
        "The constant has the logsumexp taken off, so that all sums to a log probability. The logit "
        "is asked for.",
    ),
    Edit(
        "constant_dealt_out",
        {"return shares, constant": "return shares + constant / len(parts), 0 * constant"},
        "The constant is dealt out to the parts. No part owns it: it is returned whole, by itself.",
    ),
    Edit(
        "constant_in_the_first_part",
        {
            "return shares, constant": "shares = shares.clone()\n    shares[0] += constant\n"
            "    return shares, 0 * constant"
        },
        "The constant is given to the first part. No part owns it: it is returned whole, by itself.",
    ),
    Edit(
        "no_constant",
        {"return shares, constant": "return shares, 0 * constant"},
        "The constant is zero. The LayerNorm's bias and b_U add to the logit, whatever the parts are.",
    ),
    Edit(
        "constant_first",
        {"return shares, constant": "return constant, shares"},
        "Shares and constant come in the wrong order. The shares come first.",
    ),
    Edit(
        "only_shares",
        {"return shares, constant": "return shares"},
        "Only the shares are returned. (shares, constant) is asked for.",
    ),
    Edit(
        "constant_of_all_positions",
        {
            "return shares, constant": "directions = model.W_U.T[tokens]\n"
            "    return shares, directions @ model.ln_final.b + model.b_U[tokens]"
        },
        "The constant has a column for the first token too. Nothing predicts that one: there are "
        "pos - 1 columns.",
    ),
    Edit(
        "rolled",
        {
            "answers = tokens[:, 1:]": "answers = tokens.roll(-1, 1)",
            "    parts, scale = parts[:, :, :-1], scale[:, :-1]\n": "",
        },
        "There is a column for the last position too, which predicts the first token there. Nothing "
        "comes after it: there are pos - 1 columns.",
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
