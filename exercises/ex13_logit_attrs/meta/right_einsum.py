"""einsum, with the direction carried back through the LayerNorm."""

from einops import einsum


def logit_attrs(model, parts, scale, tokens):
    directions = model.W_U[:, tokens[:, 1:]].permute(1, 2, 0)
    carried = directions * model.ln_final.w
    carried = carried - carried.mean(-1, keepdim=True)
    shares = einsum(parts[:, :, :-1], carried / scale[:, :-1], "c b p d, b p d -> c b p")
    constant = einsum(directions, model.ln_final.b, "b p d, d -> b p") + model.b_U[tokens[:, 1:]]
    return shares, constant
