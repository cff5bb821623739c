"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit, slip

OUTS = '[cache["attn_out", block], cache["mlp_out", block]]'
NAMES = '[f"{block}_attn_out", f"{block}_mlp_out"]'
AFTER = '        labels.append(f"{layer}_attn_out")\n'

START = '["embed", "pos_embed"]'
PARTS = '[cache["embed"], cache["pos_embed"]]'
BACK = "return torch.stack(rows), labels"
LOOP = f"    for block in range(layer):\n        labels += {NAMES}\n        rows += {OUTS}\n"
LAST = "    if mlp_input:\n"


def named(name, first, second, cause, start=START):
    """The labels of a block in other words."""
    return slip(name, {NAMES: f"[{first}, {second}]", START: start}, cause)


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
        "In the labels all attentions come first. Labels stand in the order of the rows, and the rows "
        "in the order of writing, block by block. Add row and label together.",
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
    named(
        "labels from 1",
        'f"{block + 1}_attn_out"',
        'f"{block + 1}_mlp_out"',
        "The labels count the blocks from 1. Blocks count from 0: the first is `0_attn_out`.",
    ),
    named(
        "layer last",
        'f"attn_out_{block}"',
        'f"mlp_out_{block}"',
        "The labels have the block's number behind. It comes first: `0_attn_out`.",
    ),
    named(
        "no layer",
        '"attn_out"',
        '"mlp_out"',
        "The labels do not say which block. Its number comes first: `0_attn_out`.",
    ),
    named(
        "full names",
        'f"blocks.{block}.hook_attn_out"',
        'f"blocks.{block}.hook_mlp_out"',
        "The labels are full names of hook points. The short ones are asked for: `embed`, "
        "`0_attn_out`.",
        '["hook_embed", "hook_pos_embed"]',
    ),
    slip(
        "labels first",
        {BACK: "return labels, torch.stack(rows)"},
        "Labels and stack come in the wrong order. The stack comes first.",
    ),
    slip(
        "no labels",
        {BACK: "return torch.stack(rows)"},
        "Only the stack is returned. The stack and the labels are asked for.",
    ),
    slip(
        "sorted",
        {BACK: "return torch.stack(rows), sorted(labels)"},
        "The labels are sorted as text. They come in the order of the rows.",
    ),
    slip(
        "pos_embed first",
        {START: '["pos_embed", "embed"]', PARTS: '[cache["pos_embed"], cache["embed"]]'},
        "The position embedding comes before the token's. `embed` is the first.",
    ),
    slip(
        "cat",
        {"torch.stack(rows)": "torch.cat(rows)"},
        "`torch.cat` puts the rows one after another along the batch. `torch.stack` makes an axis "
        "for them.",
    ),
    slip(
        "kind by kind",
        {
            LOOP: '    labels += [f"{b}_attn_out" for b in range(layer)]\n'
            '    labels += [f"{b}_mlp_out" for b in range(layer)]\n'
            '    rows += [cache["attn_out", b] for b in range(layer)]\n'
            '    rows += [cache["mlp_out", b] for b in range(layer)]\n'
        },
        "All attentions come first, and all MLPs after them. The order is that of writing: block by "
        "block, attention and then MLP.",
    ),
    slip(
        "backwards",
        {LOOP: LOOP.replace("range(layer)", "reversed(range(layer))")},
        "The blocks come last to first. Block 0 writes first.",
    ),
    slip(
        "attention's bias",
        {OUTS: '[cache["attn_out", block] + cache.model.b_O[block], cache["mlp_out", block]]'},
        "b_O is counted twice. `attn_out` is what was written to the stream, b_O included.",
    ),
    slip(
        "mlp's bias",
        {OUTS: '[cache["attn_out", block], cache["mlp_out", block] + cache.model.b_out[block]]'},
        "b_out is counted twice. `mlp_out` is what was written to the stream, b_out included.",
    ),
    slip(
        "states before",
        {OUTS: OUTS.replace("attn_out", "resid_pre").replace("mlp_out", "resid_mid")},
        "The rows are what each layer read, whole states of the stream. A part is what one layer "
        "wrote: `attn_out`, `mlp_out`.",
    ),
    slip(
        "middle of the block before",
        {
            LAST: "    if mlp_input:\n        return torch.stack(rows[:-1]), labels[:-1]\n    if False:\n"
        },
        "With `mlp_input` the last MLP is left out. The attention of block `layer` is to come: its "
        "MLP reads all before it and that.",
    ),
    slip(
        "attention in front",
        {
            LAST: '    if mlp_input:\n        labels.insert(2, f"{layer}_attn_out")\n'
            '        rows.insert(2, cache["attn_out", layer])\n    if False:\n'
        },
        "With `mlp_input` the attention of block `layer` comes right after the embeddings. It writes "
        "last, and comes last.",
    ),
    slip(
        "mlp for attention",
        {
            AFTER: AFTER.replace("attn_out", "mlp_out"),
            'append(cache["attn_out", layer])': 'append(cache["mlp_out", layer])',
        },
        "`mlp_input` adds the MLP of block `layer`, row and label. Before that MLP stands the "
        "attention of its block.",
    ),
    slip(
        "attention of the block before",
        {
            AFTER: AFTER.replace("{layer}", "{layer - 1}"),
            'append(cache["attn_out", layer])': 'append(cache["attn_out", layer - 1])',
        },
        "`mlp_input` adds the attention of the block before, row and label. The MLP of block `layer` "
        "reads what the attention of the same block has just written.",
    ),
    slip(
        "the loop's last",
        {
            AFTER: AFTER.replace("{layer}", "{block}"),
            'append(cache["attn_out", layer])': 'append(cache["attn_out", block])',
        },
        "`mlp_input` uses the loop's own variable, which is the block before, and at layer 0 none. "
        "The attention of block `layer` is asked for.",
    ),
    slip(
        "labels of every call",
        {
            "mlp_input=False)": "mlp_input=False, labels=[])",
            f"    labels = {START}": f"    labels += {START}",
        },
        "The labels of earlier calls are there too: a list that is a default argument, or stands "
        "outside the function, is the same in every call.",
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
