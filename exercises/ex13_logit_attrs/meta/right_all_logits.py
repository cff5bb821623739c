"""All logits, then the right ones."""


def logit_attrs(model, parts, scale, tokens):
    centred = (parts - parts.mean(-1, keepdim=True)) / scale
    every = (centred * model.ln_final.w) @ model.W_U
    index = tokens[None, :, 1:, None].expand(len(parts), -1, -1, 1)
    shares = every[:, :, :-1].gather(-1, index)[..., 0]
    return shares, (model.ln_final.b @ model.W_U + model.b_U)[tokens[:, 1:]]
