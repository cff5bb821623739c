"""The mean is taken over the positions. A LayerNorm never looks from one position to another; it
centres the d_model numbers of each by themselves.
"""


def apply_ln(parts, scale, weight):
    centred = parts - parts.mean(-2, keepdim=True)
    return centred / scale * weight
