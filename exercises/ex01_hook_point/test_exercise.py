"""What exercise 1 shows: hooks see, replace, keep their order, and come off."""

import torch
from torch import nn

from exercises.grader.kit import points

TITLE = "a hook point"
LESSON = "lesson 2, Hook points"
X = torch.tensor([1.0, -2.0, 3.0])


def double(tensor, /, *, hook):
    return 2 * tensor


def add_three(tensor, hook):
    return tensor + 3


def zero(tensor, hook):
    return 0 * tensor


def two_rows(tensor, hook):
    return torch.stack([tensor, -tensor])


def to_whole_numbers(tensor, hook):
    return tensor.long()


def only_look(tensor, hook):
    return None


def boom(tensor, hook):
    raise ZeroDivisionError("on purpose")


def with_hooks(answer, *hooks):
    point = answer.HookPoint()
    for hook in hooks:
        point.add_hook(hook)
    return point


def gradient(answer, *hooks):
    x = X.clone().requires_grad_()
    with_hooks(answer, *hooks)(x).sum().backward()
    return x.grad


def ask(answer, see, *hooks, x=X):
    names = ", then ".join(hook.__name__ for hook in hooks) or "no hook"
    of = "" if x is X else f" of {x.tolist()}"
    see(f"{names}: point(x){of}", lambda: with_hooks(answer, *hooks)(x), x=x)


@points(2)
def test_a_hook_replaces_what_flows_and_none_changes_nothing(answer, see):
    ask(answer, see, double)
    ask(answer, see)
    ask(answer, see, only_look)
    ask(answer, see, only_look, double)
    ask(answer, see, double, only_look)
    ask(answer, see, zero)
    ask(answer, see, zero, x=torch.tensor([5.0]))
    ask(answer, see, zero, x=torch.tensor(5.0))
    ask(answer, see, two_rows)
    ask(answer, see, to_whole_numbers)
    ask(answer, see, double, x=torch.tensor([[4, 5], [6, 7]]))
    see("double: the gradient of point(x).sum()", lambda: gradient(answer, double))
    see("no hook: the gradient of point(x).sum()", lambda: gradient(answer))

    def again():
        point = with_hooks(answer, double)
        return torch.stack([point(X), point(X + 1), point(X)])

    see("double: point(x), point(x + 1) and point(x) again", again, "call x")


@points(2)
def test_hooks_run_in_the_order_added_each_on_what_the_last_gave(answer, see):
    ask(answer, see, double, add_three)
    ask(answer, see, add_three, double)
    ask(answer, see, double, double)
    ask(answer, see, double, add_three, double, add_three)
    ask(answer, see, add_three, only_look, double)
    ask(answer, see, two_rows, double)

    def what_hooks_see():
        seen = []

        def look(tensor, hook):
            seen.append(tensor.clone())

        with_hooks(answer, look, double, look, only_look, look)(X)
        return torch.stack(seen)

    see("look, double, look, only_look, look: what the three saw", what_hooks_see, "hook x")


@points(2)
def test_removed_hooks_do_not_run_and_points_are_apart(answer, see):
    def removed(*hooks, then=()):
        point = with_hooks(answer, *hooks)
        point(X)
        point.remove_hooks()
        for hook in then:
            point.add_hook(hook)
        return point(X)

    see("double; point.remove_hooks(); point(x)", lambda: removed(double))
    three = (double, add_three, double)
    see("double, add_three, double; remove_hooks(); point(x)", lambda: removed(*three))
    see("no hook; remove_hooks(); point(x)", removed)
    see(
        "double; remove_hooks(); add_hook(add_three); point(x)",
        lambda: removed(double, then=[add_three]),
    )

    def apart():
        one, two = with_hooks(answer, double), with_hooks(answer, add_three)
        before = [one(X), two(X)]
        two.remove_hooks()
        return torch.stack([*before, one(X), two(X)])

    see("one doubles, two adds three; two.remove_hooks(): both, before and after", apart, "call x")
    see(
        "nn.Sequential(one, two)(x)",
        lambda: nn.Sequential(with_hooks(answer, double), with_hooks(answer, add_three))(X),
    )


def test_a_hook_is_told_its_hook_point(answer, see):
    def is_the_point(*before):
        told = []
        point = with_hooks(answer, *before, lambda tensor, hook: told.append(hook))
        point(X)
        return [hook is point for hook in told]

    see("hook(tensor, hook=point), once for each call: is it the point?", is_the_point)
    see("the same after double", lambda: is_the_point(double))
    see("boom: point(x)", lambda: with_hooks(answer, boom)(X))

    def after_boom():
        point = with_hooks(answer, double, lambda t, hook: boom(t, hook) if t[0] > 5 else None)
        try:
            point(X + 5)
        except ZeroDivisionError:
            return point(X)

    see("double, and one that fails for large x: point(x) after a failure", after_boom)
