"""The LayerNorm's weight w is missing from the shares. The scale alone is not enough, unless the model's
LayerNorms were folded.
"""


def logit_attrs(model, parts, scale, tokens):
    answers = tokens[:, 1:]
    directions = model.W_U.T[answers]
    parts, scale = parts[:, :, :-1], scale[:, :-1]
    normed = (parts - parts.mean(-1, keepdim=True)) / scale
    shares = (normed * directions).sum(-1)
    constant = directions @ model.ln_final.b + model.b_U[answers]
    return shares, constant
