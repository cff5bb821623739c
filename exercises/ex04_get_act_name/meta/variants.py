"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "alias_forgotten",
        {"    name = ALIASES.get(name, name)\n": ""},
        "`attn` is another word for `pattern`, and your function does not know it. Replace aliases before you look the word up.",
    ),
    Edit(
        "attn_for_all",
        {
            '            return ".".join(["blocks", str(layer), *([place] if place else []), f"hook_{name}"])\n': '            return ".".join(["blocks", str(layer), "attn", f"hook_{name}"])\n'
        },
        "Everything in a block gets `attn.` in its name. The neurons' `pre` and `post` live in the MLP, and the stream's own names in the block itself.",
    ),
    Edit(
        "builds_anything",
        {
            '    raise KeyError(f"no activation {name!r} with layer {layer}")\n': '    return f"blocks.{layer}.hook_{name}"\n'
        },
        "Every word gets a name, misspelt ones too. The mistake then shows far away, as a missing entry. Look the word up, and raise a KeyError where it is not found.",
    ),
    Edit(
        "counts_from_one",
        {
            '        return f"blocks.{layer}.{layer_type}.hook_{name}"\n': '        return f"blocks.{layer + 1}.{layer_type}.hook_{name}"\n',
            '            return ".".join(["blocks", str(layer), *([place] if place else []), f"hook_{name}"])\n': '            return ".".join(["blocks", str(layer + 1), *([place] if place else []), f"hook_{name}"])\n',
        },
        "Your layers count from one. The name holds the layer's index as it is: the first block is 0.",
    ),
    Edit(
        "full_name_changed",
        {'    if "hook_" in name:\n        return name\n': ""},
        "A full name comes back changed, or not at all. It is an address already: hand it on as it is, so that the function can be applied twice.",
    ),
    Edit(
        "layer_zero",
        {
            "        if layer is None:\n": "        if not layer:\n",
            "        if name in names and layer is not None:\n": "        if name in names and layer:\n",
        },
        "Layer 0 is taken for no layer. In Python 0 is false, so `if layer` and `layer or ..` miss it. Ask `layer is None`.",
    ),
    Edit(
        "scale_anywhere",
        {
            '        if layer_type not in ("ln1", "ln2"):\n            raise KeyError(f"{name!r} is in ln1 and in ln2: say which")\n        return f"blocks.{layer}.{layer_type}.hook_{name}"\n': '        middle = f"{layer_type}." if layer_type else ""\n        return f"blocks.{layer}.{middle}hook_{name}"\n'
        },
        "The scale of a block without its LayerNorm gets a name. A block has two LayerNorms, ln1 and ln2, so the name would be a guess, and no model has it. Raise a KeyError instead.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
