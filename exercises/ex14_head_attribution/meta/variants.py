"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "bias_of_last_layer",
        {
            "    bias = (carried @ b_O.sum(0))[None, :, None].expand(1, *heads.shape[1:])\n": "    bias = (carried @ b_O[-1])[None, :, None].expand(1, *heads.shape[1:])\n"
        },
        "Only one layer's b_O is in the last row. Every attention layer wrote its own to the stream; the row holds their sum.",
    ),
    Edit(
        "builds",
        {
            "from einops import einsum, rearrange\n": "",
            '    carried = directions * weight\n    carried = carried - carried.mean(-1, keepdim=True)\n    reads = einsum(carried, W_O, "batch d, layer head d_head d -> layer batch head d_head")\n    met = einsum(\n        z, reads, "layer batch pos head d_head, layer batch head d_head -> layer head batch pos"\n    )\n    heads = rearrange(met, "layer head batch pos -> (layer head) batch pos")\n    bias = (carried @ b_O.sum(0))[None, :, None].expand(1, *heads.shape[1:])\n    return torch.cat([heads, bias]) / scale[..., 0]\n': '    built = torch.einsum("lbphd,lhdm->lhbpm", z, W_O).flatten(0, 1)\n    bias = b_O.sum(0).expand(1, *built.shape[1:])\n    built = torch.cat([built, bias])\n    normed = (built - built.mean(-1, keepdim=True)) / scale * weight\n    return (normed * directions[:, None]).sum(-1)\n',
        },
        "The numbers are right, and every head's output was built on the way: d_model numbers for each head and position. Let the direction meet W_O first; then z meets only d_head numbers.",
    ),
    Edit(
        "centred_first",
        {
            "    carried = directions * weight\n    carried = carried - carried.mean(-1, keepdim=True)\n": "    carried = (directions - directions.mean(-1, keepdim=True)) * weight\n"
        },
        "The direction is centred before it is multiplied by the weight. Going backwards the last step comes first: the LayerNorm centres and then multiplies, so you multiply and then centre.",
    ),
    Edit(
        "head_first",
        {
            '    heads = rearrange(met, "layer head batch pos -> (layer head) batch pos")\n': '    heads = rearrange(met, "layer head batch pos -> (head layer) batch pos")\n'
        },
        "The rows are in another order: the heads of all layers mixed. Layer is the outer axis and head the inner one, as in L0H0, L0H1, .., L1H0.",
    ),
    Edit(
        "no_bias_row",
        {
            "    bias = (carried @ b_O.sum(0))[None, :, None].expand(1, *heads.shape[1:])\n": "    bias = (0 * carried @ b_O.sum(0))[None, :, None].expand(1, *heads.shape[1:])\n"
        },
        "The row of the biases is missing or empty. What attention writes is its heads and b_O, so without b_O the shares do not sum to the layers'.",
    ),
    Edit(
        "no_centring",
        {"    carried = carried - carried.mean(-1, keepdim=True)\n": ""},
        "The centring is missing. Carried back through the LayerNorm, the direction loses its mean, after it was multiplied by the weight.",
    ),
    Edit(
        "no_scale",
        {
            "    return torch.cat([heads, bias]) / scale[..., 0]\n": "    return torch.cat([heads, bias])\n"
        },
        "The scale is missing: the shares are larger than the logits that they explain. Divide by the run's scale at the end; it is one number a position.",
    ),
    Edit(
        "no_weight",
        {"    carried = directions * weight\n": "    carried = directions\n"},
        "The LayerNorm's weight is missing. It multiplies the direction on the way back.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
