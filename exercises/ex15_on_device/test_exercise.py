"""What exercise 15 shows: the same numbers on every device, and nothing moved."""

import torch

from exercises.grader.accelerator import accelerator
from exercises.grader.kit import points

TITLE = "run where the inputs are"
LESSON = "lesson 13, Devices"


def world(data="cpu", model="cpu"):
    if "accel" in (data, model):
        accelerator()
    generator = torch.Generator().manual_seed(0)
    probe = torch.nn.Linear(4, 1).requires_grad_(False)
    probe.weight.copy_(torch.randn(1, 4, generator=generator))
    probe.bias.fill_(0.7)
    resid = torch.randn(3, 5, 4, generator=generator)
    return resid.to(data), torch.tensor([5, 2, 1]).to(data), probe.to(model)


@points(2)
def test_the_mean_over_each_items_own_positions(answer, see):
    given = dict(zip(("resid", "lengths", "probe"), world(), strict=True))
    see(
        "probe_mean(..) with all on the CPU",
        lambda: answer.probe_mean(**given),
        "batch",
        **given,
    )


@points(2)
def test_all_on_the_accelerator(answer, see):
    see(
        "probe_mean(..) with all on accel",
        lambda: answer.probe_mean(*world("accel", "accel")),
        "batch",
    )
    see(
        "the device of that result", lambda: answer.probe_mean(*world("accel", "accel")).device.type
    )


def test_the_probe_elsewhere(answer, see):
    for data, model in (("cpu", "accel"), ("accel", "cpu")):
        where = f"probe_mean(..) with the data on {data}, the probe on {model}"
        see(where, lambda d=data, m=model: answer.probe_mean(*world(d, m)), "batch")
        see(
            f"the device of the result, with the data on {data}, the probe on {model}",
            lambda d=data, m=model: answer.probe_mean(*world(d, m)).device.type,
        )


def test_nothing_is_moved(answer, see):
    for data, model in (("cpu", "accel"), ("accel", "cpu")):

        def after(data=data, model=model):
            resid, lengths, probe = world(data, model)
            answer.probe_mean(resid, lengths, probe)
            return [one.device.type for one in (resid, lengths, probe.weight)]

        see(f"afterwards: [data, lengths, probe], which were on {data}, {data}, {model}", after)
