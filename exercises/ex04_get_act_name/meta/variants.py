"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit, slips

PLACE = "*([place] if place else [])"
UNKNOWN = 'raise KeyError(f"no activation {name!r} with layer {layer}")'
NORM_CHECK = """        if layer_type not in ("ln1", "ln2"):
            raise KeyError(f"{name!r} is in ln1 and in ln2: say which")
"""

EDITS = [
    Edit(
        "layer_zero",
        {"name in names and layer is not None": "name in names and layer"},
        "Layer 0 is treated as if there were none: 0 is false in Python. Ask `layer is None`, and "
        "never `if layer`.",
    ),
    Edit(
        "layer_zero_of_layernorms",
        {"        if layer is None:\n": "        if not layer:\n"},
        "The LayerNorms of layer 0 are taken for the final one: 0 is false in Python. Ask `layer is "
        "None`, and never `if not layer`.",
    ),
    Edit(
        "attn_for_all",
        {PLACE: '"attn"'},
        "`attn` stands in every name of a block. Only six activations live in the attention layer; "
        "`PLACES` says where each lives.",
    ),
    Edit(
        "no_place",
        {", " + PLACE: ""},
        "The part of the block is missing from the names: `attn` and `mlp` stand between the layer "
        "and the hook of what lives there.",
    ),
    Edit(
        "empty_place",
        {PLACE: "place"},
        'The block\'s own activations have two dots in their names. At the place "" no word stands '
        "between the layer and the hook.",
    ),
    Edit(
        "counts_from_one",
        {'"blocks", str(layer)': '"blocks", str(layer + 1)'},
        "The layer is one too high. Layers count from 0, in the call and in the name alike.",
    ),
    Edit(
        "counts_back",
        {'"blocks", str(layer)': '"blocks", str(layer - 1)'},
        "The layer is one too low. Layers count from 0, in the call and in the name alike.",
    ),
    Edit(
        "no_hook",
        {'f"hook_{name}"])': "name])"},
        "`hook_` is missing before the last word of a block's names.",
    ),
    Edit(
        "alias_forgotten",
        {"    name = ALIASES.get(name, name)\n": ""},
        "`attn` is another word for `pattern`, and your function does not know it. Replace aliases "
        "before you look the word up.",
    ),
    Edit(
        "alias_kept",
        {
            "    name = ALIASES.get(name, name)\n": '    if name == "attn" and layer is not None:\n        return f"blocks.{layer}.attn.hook_attn"\n'
        },
        "`attn` is found, and keeps its own word. It is another word for `pattern`: the name ends in "
        "`hook_pattern`.",
    ),
    Edit(
        "full_name_changed",
        {
            '    if "hook_" in name:\n        return name\n': '    if "hook_" in name:\n        return f"hook_{name}"\n'
        },
        "A full name comes back changed. It is an address already: hand it on as it is, so that the "
        "function can be applied twice.",
    ),
    Edit(
        "full_name_refused",
        {'    if "hook_" in name:\n        return name\n': ""},
        "A full name is refused. It is an address already: hand it on as it is, so that the function "
        "can be applied twice.",
    ),
    Edit(
        "only_hook_first",
        {'if "hook_" in name': 'if name.startswith("hook_")'},
        "Only names that begin with `hook_` are taken for full. Those of a block have it in the "
        "middle: ask whether it is in the name.",
    ),
    Edit(
        "only_blocks",
        {'if "hook_" in name': 'if name.startswith("blocks.")'},
        "Only names that begin with `blocks.` are taken for full. `hook_embed` and "
        "`ln_final.hook_scale` are full as well.",
    ),
    Edit(
        "final_norm_not_full",
        {'if "hook_" in name': 'if name.startswith(("hook_", "blocks."))'},
        "`ln_final.hook_scale` is not taken for a full name. Ask whether `hook_` is in the name, and "
        "not how it begins.",
    ),
    Edit(
        "full_if_it_has_a_dot",
        {'if "hook_" in name': 'if "." in name'},
        "Only names with a dot are taken for full. `hook_embed` is full and has none: ask whether "
        "`hook_` is in the name.",
    ),
    Edit(
        "norm_of_the_whole_model",
        {'f"ln_final.hook_{name}"': 'f"hook_{name}"'},
        "Without a layer, `scale` and `normalized` are those of the final LayerNorm: `ln_final.` "
        "stands before the hook.",
    ),
    Edit(
        "no_final_norm",
        {'            return f"ln_final.hook_{name}"\n': "            raise KeyError(name)\n"},
        "`scale` without a layer is refused. It is that of the final LayerNorm, "
        "`ln_final.hook_scale`.",
    ),
    Edit(
        "always_ln1",
        {"{layer}.{layer_type}.hook": "{layer}.ln1.hook"},
        "The LayerNorm that was asked for is ignored: `ln1` stands in the name whatever "
        "`layer_type` is.",
    ),
    Edit(
        "ln1_by_default",
        {NORM_CHECK: '        layer_type = layer_type or "ln1"\n'},
        "The scale of a block without its LayerNorm is taken for ln1's. A block has two: this names "
        "nothing, and raises a KeyError.",
    ),
    Edit(
        "norm_called_none",
        {NORM_CHECK: ""},
        "The scale of a block without its LayerNorm gets a name with `None` in it. It names nothing, "
        "and raises a KeyError.",
    ),
    Edit(
        "builds_anything",
        {UNKNOWN: 'return f"blocks.{layer}.hook_{name}"'},
        "A name that the model never has is built all the same. Then the error comes much later and "
        "says nothing. An unknown word, or a block's word without a layer, raises a KeyError.",
    ),
    Edit(
        "gives_none",
        {UNKNOWN: "return None"},
        "What names nothing gives None, and the error comes much later. It has to raise a KeyError.",
    ),
    Edit(
        "comes_back",
        {UNKNOWN: "return name"},
        "What names nothing comes back as it is, as if it were a full name. It has to raise a "
        "KeyError.",
    ),
    Edit(
        "value_error",
        {UNKNOWN: UNKNOWN.replace("KeyError", "ValueError")},
        "What names nothing raises the wrong exception. A KeyError is asked for, or a subclass.",
    ),
    Edit(
        "layer_none",
        {"name in names and layer is not None": "name in names"},
        "A block's activation without a layer gets a name with `None` in it. It names nothing, and "
        "raises a KeyError.",
    ),
    Edit(
        "part_of_a_word",
        {
            "name in names and layer is not None": "name and name in ' '.join(names) and layer is not None"
        },
        "A part of a word is taken for the word: `in` on a string finds substrings. In a tuple or a "
        "list it asks for whole words.",
    ),
    Edit(
        "part_of_a_word_even_none",
        {"name in names and layer is not None": "name in ' '.join(names) and layer is not None"},
        "A part of a word, the empty one too, is taken for the word: `in` on a string finds "
        "substrings. In a tuple or a list it asks for whole words.",
    ),
    Edit(
        "first_layer_by_default",
        {
            "name in names and layer is not None": "name in names",
            '"blocks", str(layer)': '"blocks", str(layer or 0)',
        },
        "A block's activation without a layer is taken for layer 0's. It names nothing, and raises a "
        "KeyError.",
    ),
]

FULL = '    if "hook_" in name:\n'
KNOWN = "any(ALIASES.get(name, name) in names for names in PLACES.values())"
EDITS += slips(
    FULL,
    {
        f'layer is not None and "hook_" not in name and not {KNOWN} and name not in NORM': "An "
        "unknown word with a layer",
        f'layer is None and "hook_" not in name and not {KNOWN} and name not in NORM + WHOLE': "An "
        "unknown word without a layer",
        f"layer is None and {KNOWN}": "A block's activation without a layer",
        "layer is not None and layer_type is None and name in NORM": "A block's `scale` or "
        "`normalized` without its LayerNorm",
    },
    {
        "return None": "gives None, and the error comes much later. It names nothing: raise a "
        "KeyError.",
        "return name": "comes back as it is, as if it were a full name. It names nothing: raise a "
        "KeyError.",
        'return f"hook_{name}"': "is taken for one of the whole model. It names nothing: raise a "
        "KeyError.",
        'return f"blocks.{layer}.hook_{name}"': "is built into a name that no model has. It names "
        "nothing: raise a KeyError.",
        'return f"blocks.{layer}.attn.hook_{name}"': "is built into a name that no model has. It "
        "names nothing: raise a KeyError.",
        **{
            f"raise {kind}(name)": f"raises {a} {kind}. A KeyError is asked for, or a subclass."
            for a, kind in (
                ("a", "ValueError"),
                ("an", "AssertionError"),
                ("a", "TypeError"),
                ("an", "IndexError"),
                ("an", "AttributeError"),
            )
        },  # fmt: skip
    },
)
KNOWN_NAMES = "    if name in WHOLE and layer is None:\n"
IN = "layer is not None and name in"
NOT_FOUND = {
    "raise KeyError(name)": "is not found. It is one of the names that there are.",
    "return None": "gives None. It is one of the names that there are.",
}
OF_BLOCKS = {
    f'{IN} ("resid_pre", "resid_post")': "Each of `resid_pre` and `resid_post`",
    f'{IN} ("resid_mid",)': "`resid_mid`",
    f'{IN} ("attn_out",)': "`attn_out`",
    f'{IN} ("mlp_out",)': "`mlp_out`",
}
OF_ATTENTION = {
    f'{IN} ("q", "k", "v", "z")': "Each of `q`, `k`, `v` and `z`",
    f'{IN} ("attn_scores",)': "`attn_scores`",
    f'{IN} ("pattern",)': "`pattern`, also under its other word `attn`,",
}
OF_MLPS = {f'{IN} PLACES["mlp"]': "Each of `pre` and `post`"}
OF_LAYERNORMS = {
    f'layer_type is not None and {IN} ("scale",)': "The `scale` of a block's LayerNorm",
    f'layer_type is not None and {IN} ("normalized",)': "The `normalized` of a block's LayerNorm",
}
OF_ALL = {
    'layer is None and name in ("scale",)': "`scale` without a layer, the final LayerNorm's,",
    'layer is None and name in ("normalized",)': "`normalized` without a layer, the final "
    "LayerNorm's,",
    'name in ("embed",)': "`embed`",
    'name in ("pos_embed",)': "`pos_embed`",
}
ITS_PLACE = "`PLACES` and the task say where each lives."
INTO_BLOCKS = {
    'return f"blocks.{layer}.hook_{name}"': "gets its name without the part that it lives in. "
    + ITS_PLACE
}
INTO_ATTENTION = {
    'return f"blocks.{layer}.attn.hook_{name}"': "gets `attn` into its name, and does not live "
    "there. " + ITS_PLACE
}
INTO_MLPS = {
    'return f"blocks.{layer}.mlp.hook_{name}"': "gets `mlp` into its name, and does not live "
    "there. " + ITS_PLACE
}
NO_HOOK = "gets no `hook_` before its last word."
EVERY = {**OF_BLOCKS, **OF_ATTENTION, **OF_MLPS, **OF_LAYERNORMS, **OF_ALL}
EDITS += slips(KNOWN_NAMES, EVERY, NOT_FOUND)
EDITS += slips(KNOWN_NAMES, {**OF_ATTENTION, **OF_MLPS, **OF_LAYERNORMS}, INTO_BLOCKS)
EDITS += slips(KNOWN_NAMES, {**OF_BLOCKS, **OF_MLPS, **OF_LAYERNORMS}, INTO_ATTENTION)
EDITS += slips(KNOWN_NAMES, {**OF_BLOCKS, **OF_ATTENTION}, INTO_MLPS)
EDITS += slips(
    KNOWN_NAMES,
    OF_LAYERNORMS,
    {
        'return f"blocks.{layer}.{layer_type}.{name}"': NO_HOOK,
        'return f"blocks.{layer + 1}.{layer_type}.hook_{name}"': "is named one layer too high. "
        "Layers count from 0, in the call and in the name alike.",
        'return f"blocks.{layer}.ln1.hook_{name}"': "is always that of ln1. `layer_type` says which.",
        'return f"blocks.{layer}.ln2.hook_{name}"': "is always that of ln2. `layer_type` says which.",
        'return f"blocks.{layer}.{layer_type}_hook_{name}"': "has no dot after its LayerNorm.",
        'return f"ln_final.hook_{name}"': "is taken for the final LayerNorm's. With a layer it is "
        "a block's.",
    },
)
EDITS += slips(
    KNOWN_NAMES,
    dict(list(OF_ALL.items())[:2]),
    {
        'return f"ln_final.{name}"': NO_HOOK,
        'return f"hook_{name}"': "gets no `ln_final.` before it.",
        'return f"final_ln.hook_{name}"': "gets another word than `ln_final`.",
        'return f"ln_f.hook_{name}"': "gets another word than `ln_final`.",
    },
)

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "if name in WHOLE and layer is None: -> if name in WHOLE:": "The task leaves open what an "
    "activation of the whole model is with a layer.",
}
