"""What exercise 1 shows: hooks see, replace, keep their order, and come off."""

import torch

TITLE = "a hook point"
LESSON = "lesson 2, Hook points"
X = torch.tensor([1.0, -2.0, 3.0])


def double(tensor, hook):
    return 2 * tensor


def add_three(tensor, hook):
    return tensor + 3


def only_look(tensor, hook):
    return None


def with_hooks(answer, *hooks):
    point = answer.HookPoint()
    for hook in hooks:
        point.add_hook(hook)
    return point


def test_a_hook_replaces_what_flows(answer, see):
    see("point.add_hook(double); point(x)", lambda: with_hooks(answer, double)(X))
    see("point(x) without hooks", lambda: answer.HookPoint()(X))


def test_a_hook_that_returns_none_changes_nothing(answer, see):
    see("point.add_hook(only_look); point(x)", lambda: with_hooks(answer, only_look)(X))
    see(
        "point.add_hook(only_look); point.add_hook(double); point(x)",
        lambda: with_hooks(answer, only_look, double)(X),
    )


def test_hooks_run_in_the_order_added_each_on_what_the_last_gave(answer, see):
    see("double, then add_three: point(x)", lambda: with_hooks(answer, double, add_three)(X))
    see("add_three, then double: point(x)", lambda: with_hooks(answer, add_three, double)(X))
    see("the same hook twice: point(x)", lambda: with_hooks(answer, double, double)(X))


def test_a_hook_is_told_its_hook_point(answer, see):
    told = []
    point = with_hooks(answer, lambda tensor, hook: told.append((tensor.clone(), hook)))
    see("the tensor that the hook saw", lambda: (point(X), told[0][0])[1])
    see("hook(tensor, hook=point): is it the point?", lambda: told[0][1] is point)


def test_removed_hooks_do_not_run(answer, see):
    point = with_hooks(answer, double, add_three)
    see("point.remove_hooks(); point(x)", lambda: (point.remove_hooks(), point(X))[1])
    see("and with a new hook: point(x)", lambda: (point.add_hook(double), point(X))[1])
    other = with_hooks(answer, double)
    see("another point keeps its own", lambda: (point.remove_hooks(), other(X))[1])
