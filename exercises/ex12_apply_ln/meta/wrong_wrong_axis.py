"""The mean is taken over the components. That mixes the parts with each other. LayerNorm looks at one
position's d_model numbers: the last axis.
"""


def apply_ln(parts, scale, weight):
    centred = parts - parts.mean(0, keepdim=True)
    return centred / scale * weight
