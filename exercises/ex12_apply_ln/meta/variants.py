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
        "first_items_scale",
        {"/ scale": "/ scale[:1]"},
        "The scale of the first item is used for all. Each item has its own at each position.",
    ),
    Edit(
        "last_positions_scale",
        {"/ scale": "/ scale[:, -1:]"},
        "The scale of the last position is used for all. Each position has its own.",
    ),
    Edit(
        "scale_shared_among_parts",
        {"/ scale": "/ (scale / len(parts))"},
        "The scale is divided among the parts, so that all shares are too large by their number. "
        "Each part is divided by the whole scale.",
    ),
    Edit(
        "shares_of_a_mean",
        {" * weight": " * weight / len(parts)"},
        "The shares are divided by the number of parts. They sum to the LayerNorm's result as they "
        "are.",
    ),
    Edit(
        "mean_without_its_axis",
        {MEAN: "parts.mean(-1)"},
        "The mean has lost its axis, so it is laid along another one, or does not fit. "
        "`keepdim=True` keeps it.",
    ),
    Edit(
        "scale_without_its_axis",
        {"/ scale": "/ scale.squeeze(-1)"},
        "The scale has lost its last axis, so it is laid along another one, or does not fit. As it "
        "is given, [batch, pos, 1], it fits.",
    ),
    Edit(
        "mean_added_back",
        {" * weight": f" * weight + {MEAN}"},
        "The mean is added again at the end. A LayerNorm takes it off for good.",
    ),
    Edit(
        "own_std",
        {"/ scale": "/ centred.std(-1, keepdim=True)"},
        "Each part is divided by its own standard deviation. The scale is the run's, one for all "
        "parts.",
    ),
    Edit(
        "own_std_of_all_numbers",
        {"/ scale": "/ parts.std(-1, unbiased=False, keepdim=True)"},
        "Each part is divided by its own standard deviation. The scale is the run's, one for all "
        "parts.",
    ),
    Edit(
        "root_mean_square",
        {f"parts - {MEAN}": "parts", "/ scale": "/ parts.pow(2).mean(-1, keepdim=True).sqrt()"},
        "Each part is divided by its own root mean square, and not centred: that is an RMSNorm of "
        "each. The LayerNorm centres, and the scale is the run's.",
    ),
    Edit(
        "in_proportion",
        {
            "return centred / scale * weight": "whole = parts.sum(0)\n"
            "    normed = (whole - whole.mean(-1, keepdim=True)) / scale * weight\n"
            "    return normed * parts / whole"
        },
        "The result is dealt out in proportion to the parts' entries. The sum is right, and the "
        "shares are not: a part's share depends on the others then.",
    ),
    Edit(
        "the_rest_to_the_last",
        {
            "return centred / scale * weight": "shares = parts / scale * weight\n"
            "    shares[-1] += (centred - parts).sum(0) / scale * weight\n"
            "    return shares"
        },
        "Only the last part is centred, for all of them. The sum is right, and the shares are not: "
        "each part loses its own mean.",
    ),
    Edit(
        "first_part_centred",
        {
            f"parts - {MEAN}": f"torch.cat([(parts - {MEAN})[:1], parts[1:]])",
            "def apply_ln": "import torch\n\n\ndef apply_ln",
        },
        "Only the first part is centred. Each part loses its own mean.",
    ),
    Edit(
        "squeezed",
        {"return centred / scale * weight": "return (centred / scale * weight).squeeze()"},
        "An axis of size 1 is gone. `squeeze()` takes off every such axis.",
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
