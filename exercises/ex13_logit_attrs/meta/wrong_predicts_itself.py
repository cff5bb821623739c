"""Position p is scored on the token at p. A model predicts what comes next: position p speaks of the
token at p + 1.
"""


def logit_attrs(model, parts, scale, tokens):
    answers = tokens[:, :-1]
    directions = model.W_U.T[answers]
    parts, scale = parts[:, :, :-1], scale[:, :-1]
    normed = (parts - parts.mean(-1, keepdim=True)) / scale * model.ln_final.w
    shares = (normed * directions).sum(-1)
    constant = directions @ model.ln_final.b + model.b_U[answers]
    return shares, constant
