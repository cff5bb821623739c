"""What exercise 15 shows: the same numbers on every device, and nothing moved."""

from contextlib import suppress
from importlib import import_module

import torch

from exercises.grader.accelerator import accelerator
from exercises.grader.kit import points

TITLE = "run where the inputs are"
LESSON = "lesson 13, Devices"


def make_ready():
    """Load what torch asks for at the first call on a device like `accel`: it takes a second."""
    with suppress(ImportError):
        import_module("torch.distributed.tensor")


def world(data="cpu", model="cpu"):
    if "accel" in (data, model):
        accelerator()
    generator = torch.Generator().manual_seed(0)
    probe = torch.nn.Linear(4, 1).requires_grad_(False)
    probe.weight.copy_(torch.randn(1, 4, generator=generator))
    probe.bias.fill_(0.7)
    resid = torch.randn(3, 5, 4, generator=generator)
    return resid.to(data), torch.tensor([5, 2, 1]).to(data), probe.to(model)


def of(batch, dtype=torch.float32, padding=None):
    """Some items, all on the CPU."""
    resid, lengths, probe = world()
    resid, lengths, probe = resid[batch].to(dtype), lengths[batch], probe.to(dtype)
    if padding is not None:
        outside = torch.arange(5) >= lengths[:, None]
        resid[outside] = padding
    return {"resid": resid, "lengths": lengths, "probe": probe}


def test_the_mean_over_each_items_own_positions(answer, see):
    given = dict(zip(("resid", "lengths", "probe"), world(), strict=True))
    see(
        "probe_mean(..) with all on the CPU",
        lambda: answer.probe_mean(**given),
        "batch",
        **given,
    )
    for label, given in {
        "a batch of 1": of(slice(1, 2)),
        "a batch of 1 and a length of 1": of(slice(2, 3)),
        "two items in float64": of(slice(0, 2), torch.float64),
        "the items in another order": of(torch.tensor([2, 0, 1, 1])),
        "NaN in the padding": of(slice(0, 3), padding=torch.nan),
        "inf in the padding": of(slice(0, 3), padding=torch.inf),
    }.items():
        see(
            f"probe_mean(..) with {label}", lambda g=given: answer.probe_mean(**g), "batch", **given
        )


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


@points(4)
def test_nothing_is_moved(answer, see):
    for data, model in (("cpu", "accel"), ("accel", "cpu")):

        def after(data=data, model=model):
            resid, lengths, probe = world(data, model)
            answer.probe_mean(resid, lengths, probe)
            return [one.device.type for one in (resid, lengths, probe.weight)]

        see(f"afterwards: [data, lengths, probe], which were on {data}, {data}, {model}", after)
