"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

MEAN = "parts.mean(-1, keepdim=True)"

EDITS = [
    Edit(
        "no_centring",
        {f"parts - {MEAN}": "parts"},
        "The centring is missing. The LayerNorm takes the mean over d_model off before it divides; "
        "each part loses its own mean.",
    ),
    Edit(
        "over_positions",
        {"-1": "-2"},
        "The mean is taken over the positions. A LayerNorm never looks from one position to another; "
        "it centres the d_model numbers of each by themselves.",
    ),
    Edit(
        "over_batch",
        {"-1": "1"},
        "The mean is taken over the batch. A LayerNorm never looks from one item to another; it "
        "centres the d_model numbers of each place by themselves.",
    ),
    Edit(
        "over_components",
        {"-1": "0"},
        "The mean is taken over the components. That mixes the parts with each other. The mean is "
        "over the last axis, the d_model numbers of one part at one position.",
    ),
    Edit(
        "over_all",
        {MEAN: "parts.mean()"},
        "One mean is taken over everything. Each part loses, at each position, the mean of its own "
        "d_model numbers there.",
    ),
    Edit(
        "mean_of_the_sum",
        {MEAN: "parts.sum(0).mean(-1, keepdim=True)"},
        "Each part loses the mean of the whole stream, so that the mean is taken off once for every "
        "part. Each part loses its own mean; those sum to the mean of the sum.",
    ),
    Edit(
        "shared_mean",
        {MEAN: "parts.sum(0).mean(-1, keepdim=True) / len(parts)"},
        "Each part loses an equal share of the whole stream's mean. The sum over parts is right "
        "then, and the parts are not: each loses its own mean.",
    ),
    Edit(
        "adds_the_mean",
        {"parts - parts": "parts + parts"},
        "The mean is added and not taken off. Centred numbers have the mean zero.",
    ),
    Edit(
        "sum_for_mean",
        {"parts.mean": "parts.sum"},
        "The sum over d_model is taken off, and not the mean. Centred numbers have the mean zero.",
    ),
    Edit(
        "multiplies",
        {"centred / scale": "centred * scale"},
        "You multiply by the scale. It is what the LayerNorm divides by: the square root of the "
        "variance.",
    ),
    Edit(
        "no_scale",
        {"centred / scale": "centred"},
        "The division by the scale is missing. The scale is a given number for each item and "
        "position; dividing by it is linear.",
    ),
    Edit(
        "square_root_of_the_scale",
        {"/ scale": "/ scale.sqrt()"},
        "The scale is taken for a variance. It is the number that was divided by: no square root is "
        "left to take.",
    ),
    Edit(
        "scale_squared",
        {"/ scale": "/ scale / scale"},
        "It is divided by the scale twice. The LayerNorm divides once.",
    ),
    Edit(
        "own_scale",
        {"/ scale": "/ (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()"},
        "Each part is divided by a scale of its own. Then every part comes out with the same size, "
        "and the shares do not add up. The scale is the run's, one for all parts.",
    ),
    Edit(
        "scale_of_the_sum",
        {
            "/ scale": "/ (centred.sum(0).pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()",
        },
        "The scale is computed anew from the parts that came. It is given: it is the run's, whatever "
        "the parts are, and then each part's share does not depend on the others.",
    ),
    Edit(
        "one_scale_for_all_positions",
        {"/ scale": "/ scale.mean(1, keepdim=True)"},
        "One scale is used for all positions. The LayerNorm has a scale for each item and each "
        "position, [batch, pos, 1].",
    ),
    Edit(
        "one_scale_for_all",
        {"/ scale": "/ scale.mean()"},
        "One scale is used for everything. The LayerNorm has a scale for each item and each "
        "position, [batch, pos, 1].",
    ),
    Edit(
        "no_weight",
        {" * weight": ""},
        "The weight w is missing. It is all ones in a model with folded LayerNorms, and in no other. "
        "Multiply by it at the end.",
    ),
    Edit(
        "over_the_weight",
        {" * weight": " / weight"},
        "You divide by the weight. The LayerNorm multiplies by it.",
    ),
    Edit(
        "weight_first",
        {
            f"parts - {MEAN}": "parts * weight - (parts * weight).mean(-1, keepdim=True)",
            " * weight": "",
        },
        "The weight comes before the centring. The LayerNorm centres and divides first, and "
        "stretches each number by its weight at the end.",
    ),
    Edit(
        "adds_one_to_the_weight",
        {" * weight": " * (1 + weight)"},
        "The result has one share too much of the normalised part: it looks as though 1 were added "
        "to the weight. Multiply by w itself.",
    ),
    Edit(
        "summed",
        {"return centred / scale * weight": "return (centred / scale * weight).sum(0)"},
        "The sum over the parts is returned. Each part's share is asked for: the result has the "
        "shape of `parts`.",
    ),
    Edit(
        "in_place",
        {f"parts - {MEAN}": f"parts.sub_({MEAN})"},
        "The caller's `parts` have changed: `-=` and methods that end in `_` write into the tensor "
        "that was given. Make a new one.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "return centred / scale * weight -> return centred.div_(scale) * weight": "`centred` was made "
    "here, and nobody else has it.",
}
