"""Promises of one hook point."""

import pytest
import torch
from torch import nn

from minicache import HookPoint
from minicache.errors import ArgumentValueError, UnknownActivationError
from tests.worlds import random_model

INPUT = torch.tensor([[1.0, -2.0, 3.0]])


def nothing(tensor, hook):
    return None


def test_hooks_run_in_the_order_added_and_prepended_ones_first():
    point, order = HookPoint(), []
    for label in "ab":
        point.add_hook(lambda t, hook, label=label: order.append(label))
    point.add_hook(lambda t, hook: order.append("first"), prepend=True)
    point(INPUT)
    assert order == ["first", "a", "b"]


def test_each_hook_receives_what_the_one_before_returned():
    point = HookPoint()
    point.add_hook(lambda t, hook: t + 1)
    point.add_hook(lambda t, hook: t * 10)
    assert point(torch.tensor(1.0)) == 20


def test_a_hook_may_take_itself_off_while_hooks_run():
    point, calls = HookPoint(), []

    def once(t, hook):
        calls.append(1)
        hook.remove_hooks("fwd")

    point.add_hook(once)
    point(INPUT)
    point(INPUT)
    assert calls == [1]


def test_a_backward_hook_may_replace_the_gradient_and_one_taken_off_does_not_run():
    x = torch.ones(2, requires_grad=True)
    point = HookPoint()
    point.add_hook(lambda grad, hook: 5 * grad, dir="bwd")
    point(x).sum().backward()
    assert torch.equal(x.grad, torch.full((2,), 5.0))
    out = point(x).sum()
    point.remove_hooks("bwd")
    out.backward()
    assert torch.equal(x.grad, torch.full((2,), 6.0))


def test_hook_points_know_their_layer_and_show_their_hooks():
    model = random_model()
    point = model.hook_dict["blocks.1.attn.hook_q"]
    point.add_hook(nothing)
    point.add_perma_hook(nothing)
    assert point.layer() == 1
    assert repr(point) == "HookPoint(2 fwd)"
    model.reset_hooks()
    assert repr(point) == "HookPoint(1 fwd)"
    with pytest.raises(UnknownActivationError, match="is in no block"):
        model.hook_embed.layer()


def test_a_hook_goes_one_way():
    point = HookPoint()
    with pytest.raises(ArgumentValueError, match="dir='both': give 'fwd' or 'bwd'"):
        point.add_hook(nothing, dir="both")
    assert point.fwd_hooks == point.bwd_hooks == []


@pytest.mark.parametrize("direction", ["forward", "", None])
def test_an_unknown_direction_raises(direction):
    with pytest.raises(ArgumentValueError, match="'fwd' or 'bwd'"):
        HookPoint().add_hook(nothing, dir=direction)
    with pytest.raises(ArgumentValueError, match="'fwd' or 'bwd'"):
        HookPoint().remove_hooks(direction)


def test_a_hook_that_an_earlier_hook_took_off_does_not_run():
    point, calls = HookPoint(), []
    point.add_hook(lambda t, hook: calls.append("first") or hook.remove_hooks())
    point.add_hook(lambda t, hook: calls.append("second"))
    point(INPUT)
    assert calls == ["first"]


def test_a_hook_that_a_hook_puts_on_runs_from_the_next_pass_on():
    point, calls = HookPoint(), []

    def late(t, hook):
        calls.append("late")

    point.add_hook(lambda t, hook: hook.add_hook(late))
    point(INPUT)
    assert calls == []
    point(INPUT)
    assert calls == ["late"]


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize(
    "view", [lambda p: p, lambda p: p[:2], lambda p: p.T[None], lambda p: p.expand(2, 3, 3)]
)
def test_what_a_hook_gets_or_returns_is_never_a_parameters_memory(mode, view):
    parameter, point = nn.Parameter(torch.ones(3, 3)), HookPoint()
    point.add_hook(lambda t, hook: t.mul_(7))
    point.add_hook(lambda t, hook: view(parameter))
    point.add_hook(lambda t, hook: t.mul_(5))
    with mode():
        handed_on = point(view(parameter))
    assert torch.equal(parameter, torch.ones(3, 3))
    assert (handed_on == 5).all()


def test_a_gradient_still_reaches_a_parameter_that_a_hook_got_a_copy_of():
    parameter, point = nn.Parameter(torch.ones(3)), HookPoint()
    point.add_hook(nothing)
    (3 * point(parameter)).sum().backward()
    assert torch.equal(parameter.grad, torch.full((3,), 3.0))
