"""The parts meet W_U as they are. Between the stream and the logits stands the final LayerNorm: centre,
divide by the run's scale, multiply by w.
"""


def logit_attrs(model, parts, scale, tokens):
    answers = tokens[:, 1:]
    directions = model.W_U.T[answers]
    parts, scale = parts[:, :, :-1], scale[:, :-1]
    normed = parts
    shares = (normed * directions).sum(-1)
    constant = directions @ model.ln_final.b + model.b_U[answers]
    return shares, constant
