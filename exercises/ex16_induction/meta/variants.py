"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "all_queries",
        {
            "    return patterns[..., queries, queries - period + 1].mean((1, 3))\n": "    return patterns[..., queries, queries - period + 1].sum(3).mean(1) / patterns.shape[-1]\n"
        },
        "The mean goes over every query, those of the first phrase too. They cannot look back by a period, so the score is too small.",
    ),
    Edit(
        "d_head_axis",
        {
            "                z[:, :, head] = z[:, :, head].mean(0)\n": "                z[..., head] = z[..., head].mean(0)\n"
        },
        "You take away one of the d_head numbers of every head, and no head. z is [batch, pos, head, d_head]; head is the axis before the last.",
    ),
    Edit(
        "every_layer",
        {
            '            if hook.name == f"blocks.{layer}.attn.hook_z":\n                z[:, :, head] = z[:, :, head].mean(0)\n': "            z[:, :, head] = z[:, :, head].mean(0)\n",
            '    names = [f"blocks.{layer}.attn.hook_z" for layer in {layer for layer, _ in heads}]\n': '    names = [f"blocks.{layer}.attn.hook_z" for layer in range(model.cfg.n_layers)]\n',
        },
        "Heads of this number go in every layer. A head is a layer and a number: compare both.",
    ),
    Edit(
        "first_half",
        {
            "    queries = torch.arange(period + 1, patterns.shape[-1])\n    return patterns[..., queries, queries - period + 1].mean((1, 3))\n": "    queries = torch.arange(1, period + 1)\n    return patterns[..., queries, (queries - period + 1) % period].mean((1, 3))\n"
        },
        "You score the queries of the first phrase. There the words have not been said before, and there is nothing to look back at. The second phrase starts at period + 1.",
    ),
    Edit(
        "offset",
        {
            "    return patterns[..., queries, queries - period + 1].mean((1, 3))\n": "    return patterns[..., queries, queries - period].mean((1, 3))\n"
        },
        "Your score is one place off: it looks at the same word in the first phrase. What helps is the word *after* it, because that one comes next.",
    ),
    Edit(
        "predicts_itself",
        {
            "    return (predicted == tokens[:, period + 2 :]).float().mean().item()\n": "    return (predicted == tokens[:, period + 1 : -1]).float().mean().item()\n"
        },
        "The prediction at a position is compared with the token at the same position. It speaks of the next one: position p against the token at p + 1.",
    ),
    Edit(
        "previous_token",
        {
            "    return patterns[..., queries, queries - period + 1].mean((1, 3))\n": "    return patterns[..., queries, queries - 1].mean((1, 3))\n"
        },
        "You measure attention to the word just before. That is what a previous-token head does. An induction head looks a whole phrase back, at what came after the same word.",
    ),
    Edit(
        "mean_over_positions",
        {
            "                z[:, :, head] = z[:, :, head].mean(0)\n": "                z[:, :, head] = z[:, :, head].mean((0, 1))\n"
        },
        "The mean of z goes over the positions too. Then a word in the middle gets what is usual for a first word, and more is lost than what the head knows of this text. The mean goes over the items.",
    ),
    Edit(
        "wrong_axes",
        {
            "    return patterns[..., queries, queries - period + 1].mean((1, 3))\n": "    return patterns[..., queries, queries - period + 1].mean((2, 3))\n"
        },
        "The mean goes over the heads, and leaves the items. What is asked for is a number for each layer and head; the axes are [layer, batch, head, query].",
    ),
    Edit(
        "wrong_head",
        {
            "                z[:, :, head] = z[:, :, head].mean(0)\n": "                z[:, :, 1 - head] = z[:, :, 1 - head].mean(0)\n"
        },
        "You take away another head than the one asked for. z is [batch, pos, head, d_head]; head is the axis before the last.",
    ),
    Edit(
        "zeroes",
        {
            "                z[:, :, head] = z[:, :, head].mean(0)\n": "                z[:, :, head] = 0\n"
        },
        "You put zeros in the head's place. A head's usual output is not zero, so that takes away more than what the head knows about this text. The mean over items keeps what is usual at each position.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "z = z.clone() -> ": "The activation is this run's, and no other has it.",
    "z = z.clone() -> z = z": "The activation is this run's, and no other has it.",
    "queries = torch.arange(period + 1, patterns.shape[-1]) -> queries = torch.arange(period + 1, patterns.shape[-2])": "A pattern has as many queries as keys.",
}
