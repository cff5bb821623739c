"""A match statement."""


def get_act_name(name, layer=None, layer_type=None):
    match name, layer, layer_type:
        case str(full), _, _ if "hook_" in full:
            return full
        case "attn", _, _:
            return get_act_name("pattern", layer, layer_type)
        case (("embed" | "pos_embed"), None, _):
            return "hook_" + name
        case (("scale" | "normalized"), None, _):
            return "ln_final.hook_" + name
        case (("scale" | "normalized"), int(n), ("ln1" | "ln2") as ln):
            return f"blocks.{n}.{ln}.hook_{name}"
        case (("q" | "k" | "v" | "z" | "attn_scores" | "pattern"), int(n), _):
            return f"blocks.{n}.attn.hook_{name}"
        case (("pre" | "post"), int(n), _):
            return f"blocks.{n}.mlp.hook_{name}"
        case (("resid_pre" | "resid_mid" | "resid_post" | "attn_out" | "mlp_out"), int(n), _):
            return f"blocks.{n}.hook_{name}"
    raise KeyError(name)
