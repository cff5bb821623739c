"""minicache's own knows these and more."""

import minicache


def get_act_name(name, layer=None, layer_type=None):
    if layer is None and name in ("scale", "normalized"):
        return f"ln_final.hook_{name}"
    return minicache.get_act_name(name, layer, layer_type)
