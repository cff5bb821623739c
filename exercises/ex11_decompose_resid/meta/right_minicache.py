"""minicache's own."""


def decompose_resid(cache, layer, mlp_input=False):
    return cache.decompose_resid(layer, mlp_input=mlp_input, return_labels=True)
