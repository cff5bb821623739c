"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

OUTS = '[cache["attn_out", block], cache["mlp_out", block]]'
NAMES = '[f"{block}_attn_out", f"{block}_mlp_out"]'
AFTER = '        labels.append(f"{layer}_attn_out")\n'

EDITS = [
    Edit(
        "no_embeds",
        {'["embed", "pos_embed"]': "[]", '[cache["embed"], cache["pos_embed"]]': "[]"},
        "The embeddings are missing. They are the first thing in the stream: before block 0 it is "
        "`embed` plus `pos_embed`, and nothing else.",
    ),
    Edit(
        "no_pos_embed",
        {'["embed", "pos_embed"]': '["embed"]', ', cache["pos_embed"]]': "]"},
        "The position embedding is missing. The stream starts as the sum of two embeddings, of the "
        "token and of its place.",
    ),
    Edit(
        "embeds_as_one",
        {
            '["embed", "pos_embed"]': '["embed"]',
            '[cache["embed"], cache["pos_embed"]]': '[cache["embed"] + cache["pos_embed"]]',
        },
        "The two embeddings are one row. The sum is right, and each of them has a row of its own.",
    ),
    Edit(
        "resid_for_embed",
        {'[cache["embed"], ': '[cache["resid_pre", 0], '},
        "The first row is the stream before block 0, which holds the position embedding already; so "
        "that counts twice.",
    ),
    Edit(
        "bias_twice",
        {
            OUTS: '[cache["attn_out", block] + cache.model.b_O[block], '
            'cache["mlp_out", block] + cache.model.b_out[block]]'
        },
        "The output biases are counted twice. `attn_out` and `mlp_out` are what was written to the "
        "stream, b_O and b_out included.",
    ),
    Edit(
        "bias_missing",
        {
            OUTS: '[cache["attn_out", block] - cache.model.b_O[block], '
            'cache["mlp_out", block] - cache.model.b_out[block]]'
        },
        "The output biases are missing. `attn_out` and `mlp_out` hold b_O and b_out, and so does "
        "the stream.",
    ),
    Edit(
        "labels_grouped",
        {
            "return torch.stack(rows), labels": "return torch.stack(rows), labels[:2] + "
            'sorted(labels[2:], key=lambda label: label.endswith("mlp_out"))'
        },
        "The labels are right and in another order than the rows: all attentions first. A label that "
        "stands by the wrong row is worse than none. Add row and label together.",
    ),
    Edit(
        "mlp_first",
        {OUTS: '[cache["mlp_out", block], cache["attn_out", block]]'},
        "Within a block the MLP's row comes first, under the attention's label. Attention writes "
        "first.",
    ),
    Edit(
        "mlp_first_with_label",
        {
            OUTS: '[cache["mlp_out", block], cache["attn_out", block]]',
            NAMES: '[f"{block}_mlp_out", f"{block}_attn_out"]',
        },
        "Within a block the MLP comes first. Rows and labels fit each other; the order asked for is "
        "the order of writing, attention first.",
    ),
    Edit(
        "no_mlps",
        {OUTS: '[cache["attn_out", block]]', NAMES: '[f"{block}_attn_out"]'},
        "What the MLPs wrote is missing.",
    ),
    Edit(
        "states",
        {OUTS: '[cache["resid_mid", block], cache["resid_post", block]]'},
        "Your rows are whole states of the stream. A part is what one layer wrote: `attn_out`, "
        "`mlp_out`.",
    ),
    Edit(
        "one_block_more",
        {"range(layer)": "range(min(layer + 1, cache.model.cfg.n_layers))"},
        "There is one block too many. The stream before block `layer` does not hold what that block "
        "writes: `range(layer)`.",
    ),
    Edit(
        "one_block_less",
        {"range(layer)": "range(layer - 1)"},
        "The last block before `layer` is missing. The blocks before `layer` are 0 to layer - 1.",
    ),
    Edit(
        "all_blocks",
        {"range(layer)": "range(cache.model.cfg.n_layers)"},
        "All blocks are there, whatever `layer` is. Only those before `layer` have written there.",
    ),
    Edit(
        "late_binding",
        {OUTS: '[cache["attn_out", layer - 1], cache["mlp_out", layer - 1]]'},
        "Every block's rows are those of one block, the last before `layer`. Take the block that the "
        "loop is at.",
    ),
    Edit(
        "mlp_as_well",
        {
            '        rows.append(cache["attn_out", layer])\n': '        rows.append(cache["attn_out", layer])\n'
            '        labels.append(f"{layer}_mlp_out")\n'
            '        rows.append(cache["mlp_out", layer])\n'
        },
        "With `mlp_input` the MLP of block `layer` is there too. It comes next: its input cannot "
        "hold its own output.",
    ),
    Edit(
        "wrong_attention",
        {'append(cache["attn_out", layer])': 'append(cache["attn_out", max(layer - 1, 0)])'},
        "`mlp_input` adds the wrong attention. The MLP of block `layer` reads what the attention of "
        "the same block has just written, not that of the block before.",
    ),
    Edit(
        "mlp_in_its_place",
        {'append(cache["attn_out", layer])': 'append(cache["mlp_out", layer])'},
        "`mlp_input` adds what the MLP of block `layer` wrote. Before that MLP stands the attention "
        "of its block.",
    ),
    Edit(
        "label_missing",
        {AFTER: ""},
        "With `mlp_input` there is a row without a label.",
    ),
    Edit(
        "ignores_mlp_input",
        {"if mlp_input": "if False"},
        "`mlp_input` makes no difference. With it, the attention of block `layer` comes last.",
    ),
    Edit(
        "zero_is_nothing",
        {"if mlp_input": "if mlp_input and layer"},
        "At layer 0 `mlp_input` makes no difference. 0 counts as false in Python, and here it is a "
        "block like any other.",
    ),
    Edit(
        "stacked_on_axis_1",
        {"torch.stack(rows)": "torch.stack(rows, 1)"},
        "The rows are stacked along axis 1. The component axis comes first.",
    ),
    Edit(
        "in_place",
        {'[cache["embed"], ': '[cache["embed"].mul_(2) / 2, '},
        "An entry of the cache has changed. Methods that end in `_` write into the tensor that the "
        "cache holds.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
