"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "arange_on_cpu",
        {
            "    positions = torch.arange(resid.shape[1], device=resid.device)\n": "    positions = torch.arange(resid.shape[1])\n"
        },
        "`torch.arange` without a device makes its tensor on the CPU, and there it meets data that is elsewhere. Make helper tensors on the device of what they meet: `device=resid.device`.",
    ),
    Edit(
        "counts_padding",
        {
            "    mean = (resid * counts[:, :, None]).sum(1) / lengths[:, None]\n": "    mean = resid.mean(1)\n"
        },
        "The padding is averaged as well. Only the first `lengths[i]` positions of item i count; the mean divides by that number, and not by pos.",
    ),
    Edit(
        "goes_to_the_probe",
        {
            "def probe_mean(resid, lengths, probe):\n": "def probe_mean(resid, lengths, probe):\n    resid, lengths = resid.to(probe.weight.device), lengths.to(probe.weight.device)\n"
        },
        "The data goes to the probe, and the result is where the probe is. The caller has the data, and expects the result beside it.",
    ),
    Edit(
        "moves_the_probe",
        {
            "    mean = (resid * counts[:, :, None]).sum(1) / lengths[:, None]\n": "    mean = (resid * counts[:, :, None]).sum(1) / lengths[:, None]\n    probe.to(resid.device)\n"
        },
        "The probe has moved. `module.to(device)` changes the module itself, for everybody who uses it. Bring a copy of its weights: `probe.weight.to(resid.device)`.",
    ),
    Edit(
        "probe_stays_away",
        {
            "    weight, bias = probe.weight.to(resid.device), probe.bias.to(resid.device)\n": "    weight, bias = probe.weight, probe.bias\n"
        },
        "The probe's weights are used where they are. When the data is on another device the two cannot meet: bring the weights to the data.",
    ),
    Edit(
        "through_the_cpu",
        {
            "def probe_mean(resid, lengths, probe):\n": "def probe_mean(resid, lengths, probe):\n    resid, lengths = resid.cpu(), lengths.cpu()\n"
        },
        "Everything is brought to the CPU, and the result stays there. It works, slowly, and the caller gets a tensor on another device than the input. Stay where the data is: `resid.device` knows.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
