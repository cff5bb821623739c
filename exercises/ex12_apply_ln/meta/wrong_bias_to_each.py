"""Something is added to every part, so that parts which are doubled are not doubled in the result. The
bias is added once by the LayerNorm, and belongs to no part.
"""

from exercises.grader.kit import patient


def apply_ln(parts, scale, weight):
    centred = parts - parts.mean(-1, keepdim=True)
    return centred / scale * weight + patient().ln_final.b
