"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "b_U_in_each_part",
        {
            "    shares = (normed * directions).sum(-1)\n    constant = directions @ model.ln_final.b + model.b_U[answers]\n": "    shares = (normed * directions).sum(-1) + model.b_U[answers]\n    constant = directions @ model.ln_final.b\n"
        },
        "b_U is added to every part. Summed over the parts it then counts many times. It is added to the logit once, and belongs in the constant.",
    ),
    Edit(
        "embedding_row",
        {"    directions = model.W_U.T[answers]\n": "    directions = model.W_E[answers]\n"},
        "You meet the token's embedding, a row of W_E. The logit is read off by the unembedding: the token's column of W_U, which is another vector.",
    ),
    Edit(
        "no_b_U",
        {
            "    constant = directions @ model.ln_final.b + model.b_U[answers]\n": "    constant = directions @ model.ln_final.b\n"
        },
        "The constant lacks b_U, the bias of the unembedding. Each token has its own.",
    ),
    Edit(
        "no_layernorm",
        {
            "    normed = (parts - parts.mean(-1, keepdim=True)) / scale * model.ln_final.w\n": "    normed = parts\n"
        },
        "The parts meet W_U as they are. Between the stream and the logits stands the final LayerNorm: centre, divide by the run's scale, multiply by w.",
    ),
    Edit(
        "no_ln_bias",
        {
            "    constant = directions @ model.ln_final.b + model.b_U[answers]\n": "    constant = model.b_U[answers]\n"
        },
        "The constant lacks the LayerNorm's bias. It too passes through W_U: `directions @ b`.",
    ),
    Edit(
        "no_weight",
        {
            "    normed = (parts - parts.mean(-1, keepdim=True)) / scale * model.ln_final.w\n": "    normed = (parts - parts.mean(-1, keepdim=True)) / scale\n"
        },
        "The LayerNorm's weight w is missing from the shares. The scale alone is not enough, unless the model's LayerNorms were folded.",
    ),
    Edit(
        "predicts_itself",
        {"    answers = tokens[:, 1:]\n": "    answers = tokens[:, :-1]\n"},
        "Position p is scored on the token at p. A model predicts what comes next: position p speaks of the token at p + 1.",
    ),
    Edit(
        "shifted_parts",
        {
            "    parts, scale = parts[:, :, :-1], scale[:, :-1]\n": "    parts, scale = parts[:, :, 1:], scale[:, 1:]\n"
        },
        "The answers are right, and the positions are one too late: position p + 1 is asked for the token at p + 1, which it has just read. Drop the last position of the parts, and not the first.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
