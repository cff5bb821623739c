"""Layer 0 is taken for no layer. In Python 0 is false, so `if layer` and `layer or ..` miss it.
Ask `layer is None`.
"""

PLACES = {
    "": ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out"),
    "attn": ("q", "k", "v", "z", "attn_scores", "pattern"),
    "mlp": ("pre", "post"),
}
NORM = ("scale", "normalized")
WHOLE = ("embed", "pos_embed")
ALIASES = {"attn": "pattern"}


def get_act_name(name, layer=None, layer_type=None):
    if "hook_" in name:
        return name
    name = ALIASES.get(name, name)
    if name in WHOLE and layer is None:
        return f"hook_{name}"
    if name in NORM:
        if not layer:
            return f"ln_final.hook_{name}"
        if layer_type not in ("ln1", "ln2"):
            raise KeyError(f"{name!r} is in ln1 and in ln2: say which")
        return f"blocks.{layer}.{layer_type}.hook_{name}"
    for place, names in PLACES.items():
        if name in names and layer:
            return ".".join(["blocks", str(layer), *([place] if place else []), f"hook_{name}"])
    raise KeyError(f"no activation {name!r} with layer {layer}")
