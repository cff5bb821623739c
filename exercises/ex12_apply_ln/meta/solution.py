"""The reference solution."""


def apply_ln(parts, scale, weight):
    centred = parts - parts.mean(-1, keepdim=True)
    return centred / scale * weight
