"""What exercise 2 shows: on inside the block, off after it, whatever happens, and only ours."""

import torch

from exercises.grader.kit import points
from minicache import HookedRootModule, HookPoint

TITLE = "hooks that are always taken off"
LESSON = "lesson 2, Hook points"
X = torch.tensor([1.0, -2.0, 3.0])


class Model(HookedRootModule):
    def __init__(self):
        super().__init__()
        self.hook_first, self.hook_second = HookPoint(), HookPoint()
        self.setup()

    def forward(self, x):
        return self.hook_second(self.hook_first(x) + 1)


def double(tensor, *, hook):
    return 2 * tensor


def add_three(tensor, hook):
    return tensor + 3


def zero(tensor, hook):
    return 0 * tensor


def boom(tensor, hook):
    raise ZeroDivisionError("on purpose")


def inside(answer, model, *pairs, then=None):
    """What the model gives inside the block."""
    with answer.hooks(model, list(pairs)):
        result = model(X)
        if then is not None:
            raise then
        return result


def test_hooks_run_inside_the_block_and_come_off_however_it_is_left(answer, see):
    model = Model()

    def look(label, thunk):
        see(label, thunk, model=model)

    first, second = ("hook_first", double), ("hook_second", add_three)
    look("with hooks(model, pairs): model(x)", lambda: inside(answer, model, first, second))
    look("after the block: model(x)", lambda: model(X))
    look("with hooks(model, [one other]): model(x)", lambda: inside(answer, model, second))
    look("with hooks(model, []): model(x)", lambda: inside(answer, model))
    look("a hook that gives zeros", lambda: inside(answer, model, ("hook_first", zero)))
    for error in (ZeroDivisionError("on purpose"), KeyboardInterrupt("on purpose")):
        look(
            f"in the block {type(error).__name__} is raised",
            lambda error=error: inside(answer, model, first, second, then=error),
        )
    look("in the block a hook raises", lambda: inside(answer, model, first, ("hook_second", boom)))

    for hooks in ((double, add_three), (double, double)):
        pairs = [("hook_first", hook) for hook in hooks]
        look(
            f"{hooks[0].__name__} and {hooks[1].__name__} on hook_first",
            lambda pairs=pairs: inside(answer, model, *pairs),
        )

    def changed(change):
        pairs = [first, second]
        with answer.hooks(model, pairs):
            change(pairs)
            return model(X)

    look("pairs.clear() in the block", lambda: changed(lambda pairs: pairs.clear()))
    look("pairs.pop() in the block", lambda: changed(lambda pairs: pairs.pop()))

    def is_model():
        with answer.hooks(model, [first]) as given:
            return given is model

    look("with hooks(model, pairs) as given: is it the model?", is_model)

    def not_entered():
        manager = answer.hooks(model, [first])
        result = model(X)
        with manager:
            return result

    look("manager = hooks(model, pairs); model(x), before the block", not_entered)


def test_the_hooks_of_others_stay(answer, see):
    model = Model()
    model.add_hook("hook_first", add_three, is_permanent=True)
    model.add_hook("hook_second", add_three)
    model.add_hook("hook_second", zero, dir="bwd")
    for pair in (("hook_first", double), ("hook_first", add_three), ("hook_second", add_three)):
        see(
            f"beside somebody else's hooks, with {pair[1].__name__} on {pair[0]}",
            lambda pair=pair: inside(answer, model, pair),
            model=model,
        )

    def on(model):
        points = model.hook_dict.values()
        return [[one.user_hook.__name__ for one in point.fwd_hooks] for point in points]

    def adds():
        model = Model()
        with answer.hooks(model, [("hook_first", add_three)]):
            model.add_hook("hook_first", double)
            model.add_hook("hook_second", double, is_permanent=True)
        return on(model)

    see("the hooks on both points, when the block itself added one to each", adds)

    def resets():
        model = Model()
        with answer.hooks(model, [("hook_first", double)]):
            model.reset_hooks()
            return model(X)

    see("model.reset_hooks() in the block, then model(x)", resets)

    def order():
        model = Model()
        model.add_hook("hook_first", add_three)
        with answer.hooks(model, [("hook_first", double), ("hook_first", add_three)]):
            return model(X)

    see("add_three was there; double and add_three on the same point", order)

    def nested():
        model, results = Model(), []
        with answer.hooks(model, [("hook_first", double)]):
            with answer.hooks(model, [("hook_second", add_three), ("hook_first", double)]):
                with answer.hooks(model, [("hook_first", add_three)]):
                    results.append(model(X))
                results.append(model(X))
            results.append(model(X))
        return torch.stack([*results, model(X)])

    see("three blocks in each other: model(x) from the innermost outwards", nested, "depth x")

    def two_models():
        one, two = Model(), Model()
        with answer.hooks(one, [("hook_first", double)]):
            inner = inside(answer, two, ("hook_first", add_three))
            return torch.stack([inner, one(X), two(X)])

    see("a second model in the block of the first", two_models, "model x")


@points(3)
def test_an_unknown_name_raises_before_anything_is_attached(answer, see):
    model, good, bad = Model(), ("hook_first", double), ("hook_frist", double)
    for pairs in ([good, bad], [bad, good], [good, bad, ("hook_second", double)], [bad]):
        names = ", ".join(f"('{name}', ..)" for name, _ in pairs)
        see(
            f"hooks(model, [{names}])",
            lambda pairs=pairs: inside(answer, model, *pairs),
            model=model,
        )
