"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "bias_twice",
        {
            '        rows += [cache["attn_out", block], cache["mlp_out", block]]\n': '        rows += [\n            cache["attn_out", block] + cache.model.b_O[block],\n            cache["mlp_out", block] + cache.model.b_out[block],\n        ]\n'
        },
        "The output biases are counted twice. `attn_out` and `mlp_out` are what was written to the stream, b_O and b_out included.",
    ),
    Edit(
        "labels_grouped",
        {
            "    return torch.stack(rows), labels\n": '    order = sorted(labels[2:], key=lambda label: label.endswith("mlp_out"))\n    return torch.stack(rows), labels[:2] + order\n'
        },
        "The labels are right and in another order than the rows: all attentions first. A label that stands by the wrong row is worse than none. Add row and label together.",
    ),
    Edit(
        "mlp_as_well",
        {
            '        rows.append(cache["attn_out", layer])\n': '        rows.append(cache["attn_out", layer])\n        labels.append(f"{layer}_mlp_out")\n        rows.append(cache["mlp_out", layer])\n'
        },
        "With `mlp_input` the MLP of block `layer` is there too. But that is what comes next: its input cannot hold its own output.",
    ),
    Edit(
        "no_embeds",
        {
            '    labels = ["embed", "pos_embed"]\n    rows = [cache["embed"], cache["pos_embed"]]\n': "    labels = []\n    rows = []\n"
        },
        "The embeddings are missing. They are the first thing in the stream: before block 0 it is `embed` plus `pos_embed`, and nothing else.",
    ),
    Edit(
        "no_pos_embed",
        {
            '    labels = ["embed", "pos_embed"]\n    rows = [cache["embed"], cache["pos_embed"]]\n': '    labels = ["embed"]\n    rows = [cache["embed"]]\n'
        },
        "The position embedding is missing. The stream starts as the sum of two embeddings, of the token and of its place.",
    ),
    Edit(
        "one_block_more",
        {
            "    for block in range(layer):\n": "    for block in range(min(layer + 1, cache.model.cfg.n_layers)):\n"
        },
        "You take one block too many. The stream before block `layer` has not heard of that block yet: `range(layer)`.",
    ),
    Edit(
        "wrong_attention",
        {
            '        rows.append(cache["attn_out", layer])\n': '        rows.append(cache["attn_out", max(layer - 1, 0)] if layer else cache["mlp_out", 0])\n'
        },
        "`mlp_input` adds the wrong attention. The MLP of block `layer` reads what the attention of the same block has just written, and not that of the block before.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
