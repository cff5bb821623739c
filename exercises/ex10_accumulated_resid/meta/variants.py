"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "in_place",
        {
            "        stack = (stack - stack.mean(-1, keepdim=True)) / scale * weight\n": "        stack = (stack - stack.mean(-1, keepdim=True)) / scale * weight\n    for row, made in zip(rows, stack):\n        row.copy_(made)\n"
        },
        "The entries of the cache have changed. `-=` and `div_` write into the tensors that the cache holds. Make new ones.",
    ),
    Edit(
        "last_missing",
        {'    if layer == n_layers:\n        rows.append(cache["resid_post", -1])\n': ""},
        "The last state is missing: at layer = n_layers there is one more place than blocks. The stream after the last block is `resid_post` of that block.",
    ),
    Edit(
        "own_scale",
        {
            "        stack = (stack - stack.mean(-1, keepdim=True)) / scale * weight\n": '        scales = [cache["scale", b, "ln1"] for b in range(min(layer + 1, n_layers))]\n        scales += [scale] if layer == n_layers else []\n        weights = [cache.model.blocks[b].ln1.w for b in range(min(layer + 1, n_layers))]\n        weights += [weight] if layer == n_layers else []\n        weights = torch.stack(weights)[:, None, None]\n        stack = (stack - stack.mean(-1, keepdim=True)) / torch.stack(scales) * weights\n'
        },
        "Each row goes through the LayerNorm of its own layer. Then the rows live on different scales. All go through one LayerNorm, the one that reads the stream at `layer`.",
    ),
    Edit(
        "previous_scale",
        {
            '            scale, weight = cache["ln_final.hook_scale"], cache.model.ln_final.w\n': '            scale, weight = cache["scale", layer - 1, "ln1"], cache.model.blocks[layer - 1].ln1.w\n',
            '            scale, weight = cache["scale", layer, "ln1"], cache.model.blocks[layer].ln1.w\n': '            scale, weight = (\n                cache["scale", max(layer - 1, 0), "ln1"],\n                cache.model.blocks[max(layer - 1, 0)].ln1.w,\n            )\n',
        },
        "You take the scale of the layer before. The stream at `layer` is read by `ln1` of block `layer` itself, and at the end by `ln_final`.",
    ),
    Edit(
        "recomputed",
        {
            "        stack = (stack - stack.mean(-1, keepdim=True)) / scale * weight\n": "        stack = (\n            (stack - stack.mean(-1, keepdim=True))\n            / (stack.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()\n            * weight\n        )\n"
        },
        "Each row is normalized with statistics of its own. That answers another question (the logit lens). Here the scale is the run's, from the cache, and the same for all rows.",
    ),
    Edit(
        "resid_post",
        {
            '    rows = [cache["resid_pre", block] for block in range(min(layer + 1, n_layers))]\n    if layer == n_layers:\n        rows.append(cache["resid_post", -1])\n': '    rows = [cache["resid_post", min(block, n_layers - 1)] for block in range(layer + 1)]\n'
        },
        "Your rows are the states after each block. The first row is then the stream after block 0, and the embeddings are missing. Take `resid_pre`.",
    ),
    Edit(
        "stops_before",
        {
            '    rows = [cache["resid_pre", block] for block in range(min(layer + 1, n_layers))]\n': '    rows = [cache["resid_pre", block] for block in range(layer)]\n'
        },
        "The row of `layer` itself is missing. The stream before block `layer` is what that block reads, so there are layer + 1 rows.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
