"""b_U is added to every part. Summed over the parts it then counts many times. It is added to the logit
once, and belongs in the constant.
"""


def logit_attrs(model, parts, scale, tokens):
    answers = tokens[:, 1:]
    directions = model.W_U.T[answers]
    parts, scale = parts[:, :, :-1], scale[:, :-1]
    normed = (parts - parts.mean(-1, keepdim=True)) / scale * model.ln_final.w
    shares = (normed * directions).sum(-1) + model.b_U[answers]
    constant = directions @ model.ln_final.b
    return shares, constant
