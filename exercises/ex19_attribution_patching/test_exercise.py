"""What exercise 19 shows: the estimates, whatever the grad mode, and a model left as it was."""

from functools import cache

import torch

from exercises.grader.kit import WORLDS, patient, points

TITLE = "attribution patching"
LESSON = "lesson 7, Patching"
AXES = "layer pos head"
CLEAN = torch.tensor([[1, 2, 3, 4, 5], [6, 1, 7, 2, 8], [9, 9, 10, 0, 3]])
CORRUPTED = torch.tensor([[4, 2, 8, 4, 5], [6, 3, 7, 10, 8], [2, 9, 1, 0, 7]])
CALL = "attribution_patching(model, clean, corrupted, metric)"


def difference(logits):
    """A logit difference at the last position."""
    return (logits[:, -1, 3] - logits[:, -1, 7]).mean()


def likelihood(logits):
    """A log probability, of all positions together."""
    return logits.log_softmax(-1)[..., 2].sum()


@cache
def world(batch=2, pos=5, dtype=torch.float64, needs_grad=True, **shape):
    model = patient(**shape).to(dtype).requires_grad_(needs_grad)
    return {"model": model, "clean": CLEAN[:batch, :pos], "corrupted": CORRUPTED[:batch, :pos]}


def make_ready():
    for shape in WORLDS.values():
        world(**shape)


def double(stream, hook):
    return 2 * stream


@points(2)
def test_the_estimate_for_every_head_and_position(answer, see):
    for metric in (difference, likelihood):
        for name, shape in WORLDS.items():
            given = world(**shape)
            see(
                f"{CALL}, {metric.__name__}, {name}",
                lambda g=given, m=metric: answer.attribution_patching(**g, metric=m),
                AXES,
                **given,
            )
    given = world(n_layers=3, n_heads=1, attn_only=True)
    see(
        f"{CALL}, 3 layers of 1 head, no MLPs",
        lambda: answer.attribution_patching(**given, metric=likelihood),
        AXES,
        **given,
    )
    same = {**given, "clean": given["corrupted"]}
    see(
        "the same tokens twice",
        lambda: answer.attribution_patching(**same, metric=likelihood),
        AXES,
        **same,
    )


@points(2)
def test_no_gradients_needed_or_wanted_around_it(answer, see):
    frozen = world(needs_grad=False, n_layers=3, n_heads=2)
    trained = world(n_layers=3, n_heads=2)

    def estimate(given):
        return answer.attribution_patching(**given, metric=likelihood)

    def under_no_grad(given):
        with torch.no_grad():
            return estimate(given)

    see("parameters that need no gradient", lambda: estimate(frozen), AXES, **frozen)
    see("under torch.no_grad()", lambda: under_no_grad(trained), AXES, **trained)
    see("both", lambda: under_no_grad(frozen), AXES, **frozen)

    def mode_behind():
        with torch.no_grad():
            estimate(trained)
            return torch.is_grad_enabled()

    see("are gradients on behind the call, under torch.no_grad()?", mode_behind)
    see("the result's requires_grad", lambda: estimate(trained).requires_grad)


@points(2)
def test_gradients_of_the_parameters_stay_as_they_were(answer, see):
    given = dict(world(n_layers=1))
    given["model"] = patient(n_layers=1).requires_grad_(True)

    def grads():
        estimate = answer.attribution_patching(**given, metric=difference)
        kept = [p.grad for p in given["model"].parameters()]
        return [estimate.shape == (1, 5, 3), sum(g is not None for g in kept)]

    see("[right shape?, parameters with a grad], where there was none", grads, **given)
    ones = [torch.ones_like(parameter) for parameter in given["model"].parameters()]
    for parameter, one in zip(given["model"].parameters(), ones, strict=True):
        parameter.grad = one

    def sums():
        answer.attribution_patching(**given, metric=difference)
        kept = [p.grad for p in given["model"].parameters()]
        changed = sum(float((g - 1).abs().sum()) if g is not None else 1.0 for g in kept)
        return changed + sum(float((one - 1).abs().sum()) for one in ones)

    see("by how much the parameters' grads of ones changed", sums, **given)


@points(2)
def test_the_hooks_of_others_stay_and_run(answer, see):
    model = patient(n_layers=2).requires_grad_(True)
    given = {**world(), "model": model}
    model.add_hook("blocks.0.hook_resid_post", double)
    see(
        "with somebody's hook that doubles the stream",
        lambda: answer.attribution_patching(**given, metric=difference),
        AXES,
        **given,
    )
    model.add_hook("blocks.1.attn.hook_z", double, is_permanent=True)
    see(
        "and with a permanent one that doubles z of layer 1",
        lambda: answer.attribution_patching(**given, metric=difference),
        AXES,
        **given,
    )
    see("a second call", lambda: answer.attribution_patching(**given, metric=likelihood), AXES)

    def failing(logits):
        raise KeyboardInterrupt("on purpose")

    def interrupted():
        try:
            with torch.no_grad():
                answer.attribution_patching(**given, metric=failing)
        except KeyboardInterrupt:
            return [
                f"{point.name}, {len(hooks)}"
                for point in model.hook_points()
                for hooks in (point.fwd_hooks, point.bwd_hooks)
                if hooks
            ]

    see("the metric is interrupted: the points with hooks, and how many", interrupted, **given)
