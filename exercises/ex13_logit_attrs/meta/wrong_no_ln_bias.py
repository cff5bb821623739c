"""The constant lacks the LayerNorm's bias. It too passes through W_U: `directions @ b`."""


def logit_attrs(model, parts, scale, tokens):
    answers = tokens[:, 1:]
    directions = model.W_U.T[answers]
    parts, scale = parts[:, :, :-1], scale[:, :-1]
    normed = (parts - parts.mean(-1, keepdim=True)) / scale * model.ln_final.w
    shares = (normed * directions).sum(-1)
    constant = model.b_U[answers]
    return shares, constant
