"""All names in one dictionary, made once."""

TABLE = {}
for _place, _names in {
    "": "resid_pre resid_mid resid_post attn_out mlp_out",
    "attn.": "q k v z attn_scores pattern",
    "mlp.": "pre post",
}.items():
    for _name in _names.split():
        TABLE[_name] = f"blocks.{{}}.{_place}hook_{_name}"
TABLE["attn"] = TABLE["pattern"]


class UnknownName(KeyError):
    pass


def get_act_name(name, layer=None, layer_type=None):
    if name.startswith(("hook_", "blocks.", "ln_final.")):
        return name
    try:
        if layer is None:
            model = {"embed": "", "pos_embed": "", "scale": "ln_final.", "normalized": "ln_final."}
            return model[name] + "hook_" + name
        if name in ("scale", "normalized"):
            return {
                "ln1": f"blocks.{layer}.ln1.hook_{name}",
                "ln2": f"blocks.{layer}.ln2.hook_{name}",
            }[layer_type]
        return TABLE[name].format(layer)
    except KeyError:
        raise UnknownName(name) from None
