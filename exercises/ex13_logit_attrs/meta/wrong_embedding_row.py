"""You meet the token's embedding, a row of W_E. The logit is read off by the unembedding: the token's
column of W_U, which is another vector.
"""


def logit_attrs(model, parts, scale, tokens):
    answers = tokens[:, 1:]
    directions = model.W_E[answers]
    parts, scale = parts[:, :, :-1], scale[:, :-1]
    normed = (parts - parts.mean(-1, keepdim=True)) / scale * model.ln_final.w
    shares = (normed * directions).sum(-1)
    constant = directions @ model.ln_final.b + model.b_U[answers]
    return shares, constant
