"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit, slip

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

ROWS = "range(min(layer + 1, n_layers))"
LN = "stack = (stack - stack.mean(-1, keepdim=True)) / scale * weight"
STACK = "    stack = torch.stack(rows)\n"


EDITS += [
    slip(
        "all rows",
        {ROWS: "range(n_layers)", "if layer == n_layers:\n        rows": "if True:\n        rows"},
        "All n_layers + 1 rows are given, whatever `layer` is. There are layer + 1.",
    ),
    slip(
        "one short",
        {ROWS: "range(max(layer, 1))"},
        "The row of block `layer` itself is missing: there are layer + 1 rows, so `range(layer + 1)`.",
    ),
    slip(
        "short",
        {ROWS: "range(layer)"},
        "The row of block `layer` itself is missing: there are layer + 1 rows, so `range(layer + 1)`.",
    ),
    slip(
        "short at the end",
        {"if layer == n_layers:\n        rows": "if False:\n        rows"},
        "At layer = n_layers the last row is missing: the stream after the last block.",
    ),
    slip(
        "no last place",
        {ROWS: "range(layer + 1)"},
        "At layer = n_layers there is no block whose `resid_pre` could be asked for. The last row is "
        "the stream after the last block, `resid_post` of it.",
    ),
    slip(
        "differences",
        {STACK: STACK + "    stack = torch.cat([stack[:1], stack[1:] - stack[:-1]])\n"},
        "What each block added is given. The stream as it stood before each block is asked for.",
    ),
    slip(
        "posts",
        {'cache["resid_pre", block]': 'cache["resid_post", block]'},
        "The stream after each block is given. It is asked for as it stood before each.",
    ),
    slip(
        "mids",
        {'cache["resid_pre", block]': 'cache["resid_mid", block]'},
        "The stream between attention and MLP is given. It is asked for as it stood before each block.",
    ),
    slip(
        "with mids",
        {
            STACK: "    rows = [r for b, row in enumerate(rows) for r in ((row, cache['resid_mid', b]) if b < layer else (row,))]\n"
            + STACK
        },
        "The stream between attention and MLP is given too. One row a block is asked for.",
    ),
    slip(
        "axis 1",
        {"torch.stack(rows)": "torch.stack(rows, 1)"},
        "The rows are stacked along axis 1. The component axis comes first.",
    ),
    slip(
        "last axis",
        {"torch.stack(rows)": "torch.stack(rows, -1)"},
        "The rows are stacked along the last axis. The component axis comes first.",
    ),
    slip(
        "cat",
        {"torch.stack(rows)": "torch.cat(rows)"},
        "`torch.cat` puts the rows one after another along the batch. `torch.stack` makes an axis for "
        "them.",
    ),
    slip(
        "final too early",
        {
            ROWS: "range(min(layer + 1, n_layers - 1))",
            "if layer == n_layers:\n        rows": "if layer >= n_layers - 1:\n        rows",
        },
        "The last block is taken for the last place already. Blocks count from 0: the place after "
        "the last is layer = n_layers.",
    ),
    slip(
        "reversed",
        {"torch.stack(rows)": "torch.stack(rows[::-1])"},
        "The rows come in the wrong order. The first is the stream before block 0.",
    ),
    slip(
        "only the last",
        {STACK: STACK + "    stack = stack[-1:]\n"},
        "Only the last row is given. There are layer + 1.",
    ),
    slip(
        "squeezed",
        {STACK: STACK + "    stack = stack.squeeze()\n"},
        "Axes of size 1 are lost: `squeeze()` takes them all away.",
    ),
    slip(
        "centred over rows",
        {LN: LN.replace("mean(-1", "mean(0")},
        "The mean goes over the components. Each row is centred by itself, over d_model.",
    ),
    slip(
        "one mean",
        {LN: LN.replace("stack.mean(-1, keepdim=True)", "stack.mean()")},
        "One mean is taken off everything. Each row is centred over d_model, at each position.",
    ),
    slip(
        "mean of positions",
        {LN: LN.replace("mean(-1", "mean(2")},
        "The mean goes over positions. Each row is centred over d_model, the last axis.",
    ),
    slip(
        "mean of all rows",
        {LN: LN.replace("stack.mean(-1, keepdim=True)", "stack.mean((0, -1), keepdim=True)")},
        "All rows lose the same mean. Each has its own, over d_model.",
    ),
    slip(
        "times the scale",
        {LN: LN.replace("/ scale", "* scale")},
        "The rows are multiplied by the scale. A LayerNorm divides by it.",
    ),
    slip("no scale", {LN: LN.replace(" / scale", "")}, "The rows are not divided by the scale."),
    slip(
        "over the weight",
        {LN: LN.replace("* weight", "/ weight")},
        "The rows are divided by the weight. They are multiplied by it.",
    ),
    slip(
        "ln1 before",
        {
            'cache["scale", layer, "ln1"], cache.model.blocks[layer].ln1.w': 'cache["scale", layer - 1, "ln1"], cache.model.blocks[layer - 1].ln1.w'
        },
        "The LayerNorm of the block before is used. The one that reads the stream at `layer` is "
        "`ln1` of block `layer`.",
    ),
    slip(
        "ln2",
        {
            'cache["scale", layer, "ln1"], cache.model.blocks[layer].ln1.w': 'cache["scale", layer, "ln2"], cache.model.blocks[layer].ln2.w'
        },
        "`ln2` is used. The LayerNorm that reads the stream before a block is its `ln1`.",
    ),
    slip(
        "ln2 before",
        {
            'cache["scale", layer, "ln1"], cache.model.blocks[layer].ln1.w': 'cache["scale", max(layer - 1, 0), "ln2"], cache.model.blocks[max(layer - 1, 0)].ln2.w'
        },
        "`ln2` of the block before is used. The LayerNorm that reads the stream before a block is its "
        "`ln1`.",
    ),
    slip(
        "always final",
        {"    if apply_ln:\n        if layer == n_layers:": "    if apply_ln:\n        if True:"},
        "`ln_final` is used at every place. Before a block its `ln1` reads the stream.",
    ),
    slip(
        "final with its bias",
        {
            "    if apply_ln:\n        if layer == n_layers:": "    if apply_ln:\n        if True:",
            LN: LN + " + cache.model.ln_final.b",
        },
        "`ln_final`, with its bias, is used at every place. Before a block its `ln1` reads the stream, "
        "and the bias stays out.",
    ),
    slip(
        "only the last row",
        {
            LN: "stack = torch.cat([stack[:-1], ((stack - stack.mean(-1, keepdim=True)) / scale * weight)[-1:]])"
        },
        "Only the last row goes through the LayerNorm. Each row does, all with the same scale.",
    ),
    slip(
        "each its scale",
        {
            LN: "stack = (stack - stack.mean(-1, keepdim=True)) / stack.var(-1, keepdim=True, correction=0).add(1e-5).sqrt() * weight"
        },
        "Each row is divided by a scale of its own. The one that the LayerNorm had on the run serves "
        "for all.",
    ),
    slip(
        "std",
        {
            LN: "last = stack[-1]\n        stack = (stack - stack.mean(-1, keepdim=True)) / last.std(-1, keepdim=True) * weight"
        },
        "The scale is computed anew, as torch's `std`, which divides by n - 1. The one that the "
        "LayerNorm had on the run is in the cache.",
    ),
    slip(
        "std and eps",
        {
            LN: "last = stack[-1]\n        stack = (stack - stack.mean(-1, keepdim=True)) / (last.var(-1, keepdim=True) + 1e-5).sqrt() * weight"
        },
        "The scale is computed anew with a variance that divides by n - 1. The one that the LayerNorm "
        "had on the run is in the cache.",
    ),
    slip(
        "ignored",
        {"    if apply_ln:\n": "    if False:\n"},
        "`apply_ln` is ignored: the rows are as they stood in the stream.",
    ),
    slip(
        "always",
        {"    if apply_ln:\n": "    if True:\n"},
        "The rows go through the LayerNorm without `apply_ln` too.",
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
