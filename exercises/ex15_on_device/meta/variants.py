"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "arange_on_cpu",
        {
            "    positions = torch.arange(resid.shape[1], device=resid.device)\n": "    positions = torch.arange(resid.shape[1])\n"
        },
        "`torch.arange` makes its tensor on another device than the data's: without `device=` on the CPU. Make helper tensors on the device of what they meet: `device=resid.device`.",
    ),
    Edit(
        "counts_padding",
        {
            "    mean = resid.where(counts[:, :, None], 0).sum(1) / lengths[:, None]\n": "    mean = resid.mean(1)\n"
        },
        "The padding is averaged as well. Only the first `lengths[i]` positions of item i count; the mean divides by that number, and not by pos.",
    ),
    Edit(
        "goes_to_the_probe",
        {
            "def probe_mean(resid, lengths, probe):\n": "def probe_mean(resid, lengths, probe):\n    resid, lengths = resid.to(probe.weight.device), lengths.to(probe.weight.device)\n"
        },
        "The result is where the probe is: the data, or the result, went there. The caller has the data, and expects the result beside it.",
    ),
    Edit(
        "moves_the_probe",
        {
            "    mean = resid.where(counts[:, :, None], 0).sum(1) / lengths[:, None]\n": "    mean = resid.where(counts[:, :, None], 0).sum(1) / lengths[:, None]\n    probe.to(resid.device)\n"
        },
        "The probe has moved. `module.to(device)` changes the module itself, for everybody who uses it. Bring a copy of its weights: `probe.weight.to(resid.device)`.",
    ),
    Edit(
        "probe_stays_away",
        {
            "    weight, bias = probe.weight.to(resid.device), probe.bias.to(resid.device)\n": "    weight, bias = probe.weight, probe.bias\n"
        },
        "A parameter of the probe, its weight or its bias, is used where it is. When the data is on another device the two cannot meet: bring both to the data.",
    ),
    Edit(
        "through_the_cpu",
        {
            "def probe_mean(resid, lengths, probe):\n": "def probe_mean(resid, lengths, probe):\n    resid, lengths = resid.cpu(), lengths.cpu()\n"
        },
        "The result is on the CPU: the data went there, or the result was made or collected there. Stay where the data is: `resid.device` knows.",
    ),
    Edit(
        "multiplies_by_the_mask",
        {"resid.where(counts[:, :, None], 0)": "(resid * counts[:, :, None])"},
        "The padding is multiplied by 0, and NaN times 0 is NaN. Put something in its place: "
        "`torch.where`, or `masked_fill`.",
    ),
    Edit(
        "divides_by_all",
        {" / lengths[:, None]": " / resid.shape[1]"},
        "The right positions are summed, and divided by the number of all. The mean of item i "
        "divides by `lengths[i]`.",
    ),
    Edit(
        "sums",
        {" / lengths[:, None]": ""},
        "The positions are summed. The mean is asked for: divide by the item's own length.",
    ),
    Edit(
        "one_too_many",
        {"positions < lengths": "positions <= lengths"},
        "One position of the padding counts. Positions are numbered from 0, so those below "
        "`lengths[i]` count.",
    ),
    Edit(
        "one_too_few",
        {"positions < lengths": "positions < -1 + lengths"},
        "The last position that counts is left out. Those below `lengths[i]` count.",
    ),
    Edit(
        "padding_in_front",
        {"positions < lengths": "positions.flip(0) < lengths"},
        "The last `lengths[i]` positions count, as if the padding stood in front. The first ones do.",
    ),
    Edit(
        "one_position",
        {"positions < lengths[:, None]": "positions == lengths[:, None] - 1"},
        "Only the last position that counts is read. The mean over all of them is asked for.",
    ),
    Edit(
        "no_bias",
        {" + bias[0]": ""},
        "The probe's bias is left out. `probe(x)` is x @ weight.T + bias.",
    ),
    Edit(
        "bias_divided",
        {" + bias[0]": " + bias[0] / lengths"},
        "The bias is divided by the length. It counts once in a mean.",
    ),
    Edit(
        "bias_of_padding",
        {" + bias[0]": " + bias[0] * resid.shape[1] / lengths"},
        "The bias counts for the padding too: it was set to zero before the probe, which adds its "
        "bias to zeros as well. Leave the padding out after the probe, or take the mean first.",
    ),
    Edit(
        "axis_kept",
        {"mean @ weight[0] + bias[0]": "mean @ weight.T + bias"},
        "The result is [batch, 1]. [batch] is asked for.",
    ),
    Edit(
        "squeezed",
        {"mean @ weight[0] + bias[0]": "(mean @ weight.T + bias).squeeze()"},
        "A batch of 1 loses its axis: `squeeze()` takes all axes of size 1 away. `squeeze(-1)` takes "
        "the last.",
    ),
    Edit(
        "mean_over_batch",
        {"mean @ weight[0] + bias[0]": "(mean @ weight[0] + bias[0]).mean()"},
        "One number comes for the whole batch. A number for each item is asked for.",
    ),
    Edit(
        "padding_cleared_in_place",
        {
            "    mean = resid.where(counts[:, :, None], 0)": "    resid[~counts] = 0\n    mean = resid.where(counts[:, :, None], 0)"
        },
        "The padding of the caller's `resid` is overwritten. Work on a new tensor: `torch.where`, or "
        "`masked_fill` without the underscore.",
    ),
    Edit(
        "default_device",
        {"    positions = ": "    torch.set_default_device(resid.device)\n    positions = "},
        "torch's default device is changed, for everybody. Name the device where a tensor is made: "
        "`device=resid.device`.",
    ),
    Edit(
        "float_result",
        {"return mean @ weight[0] + bias[0]": "return (mean @ weight[0] + bias[0]).tolist()"},
        "A list comes back. A tensor [batch] is asked for.",
    ),
    Edit(
        "bias_stays_away",
        {"probe.bias.to(resid.device)": "probe.bias"},
        "The probe's bias stays where it is. It has to come to the data, like the weight.",
    ),
    Edit(
        "replaces_the_probes_weights",
        {
            "    weight, bias = ": "    probe.weight.data = probe.weight.data.to(resid.device)\n    weight, bias = "
        },
        "The probe's own weights are replaced by copies elsewhere: the probe has moved. Use copies, "
        "and leave the probe alone.",
    ),
    Edit(
        "divides_by_all_behind_the_probe",
        {"mean @ weight[0] + bias[0]": "(mean @ weight[0] + bias[0]) * lengths / resid.shape[1]"},
        "The probe's outputs at the right positions are summed, and divided by the number of all "
        "positions. The mean of item i divides by `lengths[i]`.",
    ),
    Edit(
        "one_too_many_in_the_mean",
        {
            "positions < lengths": "positions <= lengths",
            " / lengths[:, None]": " / counts.sum(1)[:, None]",
        },
        "The mean goes over one position of the padding too. Positions are numbered from 0, so those "
        "below `lengths[i]` count.",
    ),
    Edit(
        "one_too_many_behind_the_probe",
        {
            "positions < lengths": "positions <= lengths",
            " + bias[0]": " + bias[0] * counts.sum(1) / lengths",
        },
        "The probe's output at one position of the padding is in the sum. Positions are numbered from "
        "0, so those below `lengths[i]` count.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
