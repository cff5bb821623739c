"""Everything in a block gets `attn.` in its name. The neurons' `pre` and `post` live in the MLP,
and the stream's own names in the block itself.
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
        if layer is None:
            return f"ln_final.hook_{name}"
        if layer_type not in ("ln1", "ln2"):
            raise KeyError(f"{name!r} is in ln1 and in ln2: say which")
        return f"blocks.{layer}.{layer_type}.hook_{name}"
    for place, names in PLACES.items():
        if name in names and layer is not None:
            return ".".join(["blocks", str(layer), "attn", f"hook_{name}"])
    raise KeyError(f"no activation {name!r} with layer {layer}")
