"""minicache's own parts."""


def accumulated_resid(cache, layer, apply_ln=False):
    stack = cache.accumulated_resid(layer)
    return cache.apply_ln_to_stack(stack, layer) if apply_ln else stack
