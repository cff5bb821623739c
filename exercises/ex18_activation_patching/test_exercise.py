"""What exercise 18 shows: what comes back at each place, on which scale, and what is left."""

from functools import cache
from itertools import count

import torch

from exercises.grader.kit import patient, points

TITLE = "activation patching"
LESSON = "lesson 7, Patching"
AXES = "layer pos"
WORLDS = {
    "2 layers, batch 3": {},
    "1 layer, batch 1": {"n_layers": 1, "batch": 1, "pos": 3},
    "3 layers, float32": {"n_layers": 3, "batch": 2, "pos": 3, "dtype": torch.float32},
    "attention only, all sizes 3, other first words": {
        **{"n_layers": 3, "batch": 3, "pos": 3, "attn_only": True},
        "first": 4,
    },
}


@cache
def world(n_layers=2, batch=3, pos=4, dtype=torch.float64, attn_only=False, first=0):
    """A model, and tokens that differ at the second position and, for the last item, the third."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.randint(0, 11, (batch, pos), generator=generator)
    corrupted = clean.clone()
    corrupted[:, 0] = (clean[:, 0] + first) % 11
    corrupted[:, 1] = (clean[:, 1] + 3) % 11
    corrupted[-1, 2] = (clean[-1, 2] + 5) % 11
    model = patient(n_layers, 3 if attn_only else 2, attn_only).to(dtype)
    return {"model": model, "clean_tokens": clean, "corrupted_tokens": corrupted}


def make_ready():
    for shape in WORLDS.values():
        world(**shape)


def last(logits):
    """A logit difference at the last position."""
    return (logits[:, -1, 3] - logits[:, -1, 7]).mean()


def failing(error, call):
    """A metric that raises when it is called for this time."""
    calls = count(1)

    def metric(logits):
        if next(calls) == call:
            raise error("on purpose")
        return last(logits)

    return metric


def everywhere(logits):
    """Not the mean of something of each item, and not of the last position alone."""
    return (logits[..., 2] - logits[..., 5]).softmax(1).square().sum().exp()


def test_how_much_comes_back_at_each_place(answer, see):
    def ask(name, kind, metric):
        given = world(**WORLDS[name])
        see(
            f"patch_resid_pre(..), {name}, the metric is {kind}",
            lambda: answer.patch_resid_pre(**given, metric=metric),
            AXES,
            **given,
        )

    for name in WORLDS:
        ask(name, "a logit difference", last)
    for name in list(WORLDS)[:2]:
        ask(name, "one of all positions", everywhere)


@points(2)
def test_any_metric_on_the_scale_from_0_to_1(answer, see):
    given = world(n_layers=1)

    def swap(logits):
        return -last(logits) / 100_000

    def far(logits):
        return 100 + last(logits)

    def number(logits):
        return last(logits).item()

    def whole(logits):
        return int((500 * everywhere(logits)).item())

    for kind, metric in (
        ("a hundred-thousandth of the difference, negative", swap),
        ("100 more than the difference", far),
        ("a float", number),
        ("an int", whole),
    ):
        see(
            f"patch_resid_pre(..), the metric is {kind}",
            lambda metric=metric: answer.patch_resid_pre(**given, metric=metric),
            AXES,
            **given,
        )
    back = {
        "model": given["model"],
        "clean_tokens": given["corrupted_tokens"],
        "corrupted_tokens": given["clean_tokens"],
    }
    see(
        "patch_resid_pre(..), the same texts the other way round",
        lambda: answer.patch_resid_pre(**back, metric=last),
        AXES,
        **back,
    )


@points(3)
def test_its_hooks_come_off_and_only_they(answer, see):
    given = world(batch=2, pos=3)
    for error, call in ((ZeroDivisionError, 1), (ZeroDivisionError, 4), (KeyboardInterrupt, 4)):
        see(
            f"{error.__name__} is raised at call {call} of the metric",
            lambda error=error, call=call: answer.patch_resid_pre(
                **given, metric=failing(error, call)
            ),
            **given,
        )
    see(
        "after these: patch_resid_pre(..)",
        lambda: answer.patch_resid_pre(**given, metric=last),
        AXES,
    )

    def double(activation, *, hook):
        return 2 * activation

    def others():
        model = patient(2, 2)
        model.add_hook("blocks.0.hook_resid_pre", double, is_permanent=True)
        model.add_hook("blocks.1.attn.hook_z", double)
        model.add_hook("blocks.1.hook_resid_pre", double, dir="bwd")
        return model

    see(
        "beside hooks of others: patch_resid_pre(..)",
        lambda: answer.patch_resid_pre(**{**given, "model": others()}, metric=last),
        AXES,
    )

    def left():
        model = others()
        answer.patch_resid_pre(**{**given, "model": model}, metric=last)
        return [
            f"{point.name}, {len(hooks)}"
            for point in model.hook_points()
            for hooks in (point.fwd_hooks, point.bwd_hooks)
            if hooks
        ]

    see("after it: the points with hooks of others, and how many", left)

    def kept():
        """Of the streams that a hook was given before the answer's own hook."""
        alone = world(n_layers=1, batch=1, pos=3)
        model, seen = patient(1, 2), []
        model.add_hook(
            "blocks.0.hook_resid_pre", lambda resid, hook: seen.append((resid, resid.clone()))
        )
        answer.patch_resid_pre(model, alone["clean_tokens"], alone["corrupted_tokens"], last)
        return sum(not torch.equal(resid, then) for resid, then in seen)

    see("tensors that an earlier hook had kept, and that the patch wrote into", kept)
