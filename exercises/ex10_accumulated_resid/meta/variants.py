"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

LAST = '    if layer == n_layers:\n        rows.append(cache["resid_post", -1])\n'
AT_LAYER = 'cache["scale", layer, "ln1"], cache.model.blocks[layer].ln1.w'
AT_THE_END = 'cache["ln_final.hook_scale"], cache.model.ln_final.w'
LAST_LN1 = 'cache["scale", -1, "ln1"], cache.model.blocks[-1].ln1.w'
NORMALISED = "(stack - stack.mean(-1, keepdim=True)) / scale * weight"

EDITS = [
    Edit(
        "last_missing",
        {LAST: ""},
        "The last state is missing. At layer = n_layers there is one more place than blocks: the "
        "stream after the last block, which is `resid_post` of that block.",
    ),
    Edit(
        "last_is_pre",
        {'"resid_post", -1': '"resid_pre", -1'},
        "The last row is the stream before the last block once more. After the last block it is "
        "`resid_post` of that block.",
    ),
    Edit(
        "stops_before",
        {"min(layer + 1, n_layers)": "layer"},
        "The row of `layer` itself is missing. The stream before block `layer` is what that block "
        "reads, so there are layer + 1 rows.",
    ),
    Edit(
        "only_the_last",
        {"    return stack": "    return stack[-1:]"},
        "Only the state at `layer` is there. Each state up to it has a row.",
    ),
    Edit(
        "resid_post",
        {'"resid_pre", block': '"resid_post", block'},
        "Your rows are the states after each block. The first row is then the stream after block 0, "
        "and the embeddings are missing. Take `resid_pre`.",
    ),
    Edit(
        "stacked_on_axis_1",
        {"torch.stack(rows)": "torch.stack(rows, 1)"},
        "The rows are stacked along axis 1. The component axis comes first, before the batch.",
    ),
    Edit(
        "squeezed",
        {"    return stack": "    return stack.squeeze()"},
        "An axis of size 1 is gone. `squeeze()` takes off every such axis, the batch's or the "
        "position's as well.",
    ),
    Edit(
        "zero_is_none",
        {"    rows = [": "    layer = layer or n_layers\n    rows = ["},
        "Layer 0 is taken for `no layer given`. 0 counts as false in Python, and here it is the place "
        "before block 0.",
    ),
    Edit(
        "two_layers",
        {"n_layers = cache.model.cfg.n_layers": "n_layers = 2"},
        "The number of layers is fixed at 2. Ask the model: `cache.model.cfg.n_layers`.",
    ),
    Edit(
        "ignores_apply_ln",
        {"if apply_ln": "if False"},
        "`apply_ln` makes no difference. With it, each row goes through the LayerNorm that reads the "
        "stream at `layer`.",
    ),
    Edit(
        "always_applies_ln",
        {"if apply_ln": "if True"},
        "The rows are normalised without being asked to. `apply_ln` is False unless given.",
    ),
    Edit(
        "no_centring",
        {"(stack - stack.mean(-1, keepdim=True))": "stack"},
        "The centring is missing. A LayerNorm takes the mean over d_model off before it divides.",
    ),
    Edit(
        "over_positions",
        {"mean(-1": "mean(-2"},
        "The mean is taken over the positions. It is the mean of the d_model numbers of one row at "
        "one position.",
    ),
    Edit(
        "no_scale",
        {" / scale": ""},
        "The division by the scale is missing.",
    ),
    Edit(
        "no_weight",
        {" * weight": ""},
        "The LayerNorm's weight w is missing. It is all ones in a model with folded LayerNorms, and "
        "in no other.",
    ),
    Edit(
        "bias_added",
        {
            " * weight": " * weight + (cache.model.ln_final.b if layer == n_layers "
            "else cache.model.blocks[layer].ln1.b)"
        },
        "The LayerNorm's bias is added to each row. The task leaves it out: it is no row's doing.",
    ),
    Edit(
        "recomputed",
        {
            "/ scale": "/ ((stack - stack.mean(-1, keepdim=True)).pow(2).mean(-1, keepdim=True) "
            "+ 1e-5).sqrt()"
        },
        "Each row is divided by a scale of its own, computed from the row. That answers another "
        "question (the logit lens). Here the scale is the run's, from the cache, and one for all rows.",
    ),
    Edit(
        "each_its_own_layernorm",
        {
            NORMALISED: "stack\n        scales = [cache['scale', b, 'ln1'] for b in "
            "range(min(layer + 1, n_layers))] + [scale] * (layer == n_layers)\n"
            "        weights = [cache.model.blocks[b].ln1.w for b in "
            "range(min(layer + 1, n_layers))] + [weight] * (layer == n_layers)\n"
            "        centred = stack - stack.mean(-1, keepdim=True)\n"
            "        stack = centred / torch.stack(scales) * torch.stack(weights)[:, None, None]"
        },
        "Each row goes through the LayerNorm of its own layer. Then the rows live on different "
        "scales. All go through one LayerNorm, the one that reads the stream at `layer`.",
    ),
    Edit(
        "previous_layernorm",
        {
            AT_LAYER: 'cache["scale", max(layer - 1, 0), "ln1"], '
            "cache.model.blocks[max(layer - 1, 0)].ln1.w",
            AT_THE_END: LAST_LN1,
        },
        "The LayerNorm of the layer before is used. The stream at `layer` is read by `ln1` of block "
        "`layer` itself, and at the end by `ln_final`.",
    ),
    Edit(
        "ln1_at_the_end",
        {AT_THE_END: LAST_LN1},
        "At layer = n_layers the LayerNorm of the last block is used. After the last block the "
        "stream is read by `ln_final`.",
    ),
    Edit(
        "ln_final_everywhere",
        {AT_LAYER: AT_THE_END.replace('["', "['").replace('"]', "']")},
        "The final LayerNorm is used at every layer. The stream before block `layer` is read by `ln1` "
        "of that block.",
    ),
    Edit(
        "ln2",
        {AT_LAYER: AT_LAYER.replace("ln1", "ln2")},
        "The LayerNorm before the MLP (`ln2`) is used. The stream before a block is read by its `ln1`.",
    ),
    Edit(
        "in_place",
        {
            NORMALISED: "(stack - stack.mean(-1, keepdim=True)) / scale * weight\n"
            "        for row, scaled in zip(rows, stack):\n            row.copy_(scaled)"
        },
        "The entries of the cache have changed. `-=` and `div_` write into the tensors that the cache "
        "holds. Make new ones.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "rows = [cache['resid_pre', block] for block in range(min(layer + 1, n_layers))] -> "
    "rows = [cache['resid_pre', block] for block in range(min(n_layers, layer + 1))]": "The smaller "
    "of two numbers is the same in either order.",
    "stack = (stack - stack.mean(-1, keepdim=True)) / scale * weight -> "
    "stack = stack.sub_(stack.mean(-1, keepdim=True)) / scale * weight": "`stack` was made here, and "
    "nobody else has it.",
}
