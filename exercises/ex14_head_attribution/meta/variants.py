"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

CARRIED = "carried - carried.mean(-1, keepdim=True)"

EDITS = [
    Edit(
        "builds",
        {
            'reads = einsum(carried, W_O, "batch d, layer head d_head d -> layer batch head d_head")': ""
            'built = einsum(z, W_O, "layer batch pos head d_head, layer head d_head d '
            '-> layer batch pos head d")',
            'z, reads, "layer batch pos head d_head, layer batch head d_head -> layer head batch pos"': ""
            'built, carried, "layer batch pos head d, batch d -> layer head batch pos"',
        },
        "The numbers are right, and every head's output was built on the way: d_model numbers for "
        "each head and position. Let the direction meet W_O first; then z meets only d_head numbers.",
    ),
    Edit(
        "no_centring",
        {CARRIED: "carried"},
        "The centring is missing. The LayerNorm takes the mean of each head's output off; carried "
        "back, the mean of direction times weight comes off.",
    ),
    Edit(
        "centred_first",
        {"directions * weight": "directions", CARRIED: f"({CARRIED}) * weight"},
        "The direction is centred before it is multiplied by the weight. Going backwards the last "
        "step comes first: the LayerNorm centres and then multiplies, so you multiply, then centre.",
    ),
    Edit(
        "no_weight",
        {"directions * weight": "directions"},
        "The LayerNorm's weight is missing.",
    ),
    Edit(
        "over_the_weight",
        {"directions * weight": "directions / weight"},
        "You divide by the weight. The LayerNorm multiplies by it.",
    ),
    Edit(
        "no_scale",
        {" / scale[..., 0]": ""},
        "The division by the scale is missing.",
    ),
    Edit(
        "multiplies",
        {" / scale[..., 0]": " * scale[..., 0]"},
        "You multiply by the scale. It is what the LayerNorm divides by.",
    ),
    Edit(
        "first_positions_scale",
        {"scale[..., 0]": "scale[:, :1, 0]"},
        "The scale of the first position is used everywhere. Each position has its own.",
    ),
    Edit(
        "head_first",
        {"(layer head) batch pos": "(head layer) batch pos"},
        "The rows are in another order: the heads of all layers mixed. Layer is the outer axis and "
        "head the inner one, as in L0H0, L0H1, .., L1H0.",
    ),
    Edit(
        "first_layers_W_O",
        {'carried, W_O, "': 'carried, W_O[:1].expand_as(W_O), "'},
        "Every layer's z goes through the W_O of layer 0. Each layer has its own.",
    ),
    Edit(
        "first_heads_W_O",
        {'carried, W_O, "': 'carried, W_O[:, :1].expand_as(W_O), "'},
        "Every head's z goes through the W_O of head 0. Each head has its own.",
    ),
    Edit(
        "first_items_direction",
        {"directions * weight": "directions[:1].expand_as(directions) * weight"},
        "The direction of the first item is used for all. Each item has its own.",
    ),
    Edit(
        "bias_of_last_layer",
        {"b_O.sum(0)": "b_O[-1]"},
        "Only the last layer's b_O is in the last row. Every attention layer wrote its own to the "
        "stream; the row holds their sum.",
    ),
    Edit(
        "bias_of_first_layer",
        {"b_O.sum(0)": "b_O[0]"},
        "Only the first layer's b_O is in the last row. The row holds the sum of all layers'.",
    ),
    Edit(
        "mean_of_biases",
        {"b_O.sum(0)": "b_O.mean(0)"},
        "The last row holds the mean of the layers' b_O. What was written to the stream is their sum.",
    ),
    Edit(
        "no_bias",
        {"torch.cat([heads, bias])": "heads"},
        "The row of the biases is missing. b_O belongs to no head, and the rows would not sum to the "
        "share of the attention layers.",
    ),
    Edit(
        "bias_of_zeros",
        {"[heads, bias]": "[heads, 0 * bias]"},
        "The last row is zero. It is the share of all the b_O together.",
    ),
    Edit(
        "bias_not_through_the_layernorm",
        {"(carried @ b_O": "(directions @ b_O"},
        "The biases meet the direction without the LayerNorm's centring and weight. They go through "
        "it like everything that was written to the stream.",
    ),
    Edit(
        "bias_not_centred",
        {"(carried @ b_O": "((directions * weight) @ b_O"},
        "The heads' rows are right, and that of the biases lacks the centring. The biases go through "
        "the LayerNorm as well.",
    ),
    Edit(
        "bias_unscaled",
        {"torch.cat([heads, bias]) / scale[..., 0]": "torch.cat([heads / scale[..., 0], bias])"},
        "The last row is not divided by the scale. The biases go through the LayerNorm as well.",
    ),
    Edit(
        "bias_first",
        {"[heads, bias]": "[bias, heads]"},
        "The biases come first. Their row is the last.",
    ),
    Edit(
        "builds_a_layer",
        {
            "    reads = einsum": "    rows = []\n    for z_, W_ in zip(z, W_O):\n"
            '        out = einsum(z_, W_, "b p h e, h e d -> b p h d")\n'
            '        rows.append(einsum(out, carried, "b p h d, b d -> h b p"))\n'
            "    reads = einsum",
            '(met, "layer head batch pos -> (layer head) batch pos")': '(torch.stack(rows), "layer '
            'head batch pos -> (layer head) batch pos")',
        },
        "The numbers are right, and the outputs of whole heads were built on the way, if not all at once. Let "
        "the direction meet W_O first; then z meets only d_head numbers.",
    ),
    Edit(
        "last_positions_scale",
        {"scale[..., 0]": "scale[:, -1:, 0]"},
        "The scale of the last position is used everywhere. Each position has its own.",
    ),
    Edit(
        "own_scale",
        {
            "    heads = rearrange": "    out = einsum(z, W_O, "
            '"layer batch pos head e, layer head e d -> layer head batch pos d")\n'
            "    met = met / out.std(-1, unbiased=False) * scale[..., 0]\n    heads = rearrange"
        },
        "Each head is divided by a scale of its own. Then the shares do not add up. The scale is the "
        "run's, one for all.",
    ),
    Edit(
        "reads_summed",
        {
            "    met = einsum": "    reads = reads.sum(2, keepdim=True).expand_as(reads)\n    met = einsum"
        },
        "Each head's z meets the sum of what all heads read. Each meets what its own W_O carries back.",
    ),
    Edit(
        "z_summed",
        {"    met = einsum": "    z = z.sum(3, keepdim=True).expand_as(z)\n    met = einsum"},
        "The z of all heads are summed before they meet W_O. Each head meets its own.",
    ),
    Edit(
        "scrambled",
        {
            'rearrange(met, "layer head batch pos -> (layer head) batch pos")': 'rearrange(met, "layer '
            'head batch pos -> layer batch pos head").reshape(-1, *z.shape[1:3])'
        },
        "The axes are laid out anew without being moved first, so that heads and positions are mixed. "
        "`reshape` keeps the order of the numbers: move the head axis to the front before.",
    ),
    Edit(
        "bias_dealt_out",
        {
            "torch.cat([heads, bias])": "torch.cat([heads + (carried @ b_O.T).T.repeat_interleave("
            "z.shape[3], 0)[..., None] / z.shape[3], 0 * bias])"
        },
        "Each head is given a part of its layer's b_O. No head owns it: b_O has the last row.",
    ),
    Edit(
        "bias_row_for_each_layer",
        {
            "(carried @ b_O.sum(0))[None, :, None].expand(1,": "(carried @ b_O.T).T[..., None].expand(len(b_O),"
        },
        "There is a row for the b_O of each layer. One row for all of them together is asked for.",
    ),
    Edit(
        "bias_in_every_row",
        {"[heads, bias]": "[heads + bias, bias]"},
        "The biases are added to every head. They have a row of their own, the last.",
    ),
    Edit(
        "batch_and_pos_swapped",
        {
            "return torch.cat([heads, bias]) / scale[..., 0]": "return (torch.cat([heads, bias])"
            " / scale[..., 0]).mT"
        },
        "Batch and pos are the wrong way round. The rows are [batch, pos].",
    ),
    Edit(
        "summed_over_positions",
        {
            "return torch.cat([heads, bias]) / scale[..., 0]": "return (torch.cat([heads, bias]) / scale[..., 0]).sum(-1)"
        },
        "The positions are summed. Each has a column.",
    ),
    Edit(
        "weight_twice",
        {"directions * weight": "directions * weight * weight"},
        "The LayerNorm's weight counts twice.",
    ),
    Edit(
        "in_place",
        {"carried = directions * weight": "carried = directions.mul_(weight)"},
        "The caller's `directions` have changed: methods that end in `_` write into the tensor that "
        "was given.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "carried = carried - carried.mean(-1, keepdim=True) -> carried = carried.sub_(carried.mean(-1, keepdim=True))": "The tensor was made here, and nobody else has it.",
    "carried = carried - carried.mean(-1, keepdim=True) -> carried = carried - carried.mean(1, keepdim=True)": "Directions are [batch, d_model]: axis 1 is the last.",
    "bias = (carried @ b_O.sum(0))[None, :, None].expand(1, *heads.shape[1:]) -> bias = (carried @ b_O.sum(0))[:, None].expand(1, *heads.shape[1:])": "`expand` puts the missing first axis in.",
}
