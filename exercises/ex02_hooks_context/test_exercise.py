"""What exercise 2 shows: on inside the block, off after it, whatever happens, and only ours."""

import torch

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


def double(tensor, hook):
    return 2 * tensor


def add_three(tensor, hook):
    return tensor + 3


def boom(tensor, hook):
    raise ZeroDivisionError("on purpose")


def counts(model):
    return [len(point.fwd_hooks) for point in model.hook_dict.values()]


def inside(answer, model, *pairs):
    with answer.hooks(model, list(pairs)) as given:
        return model(X), given is model


def test_hooks_run_inside_the_block_and_not_after_it(answer, see):
    model = Model()
    pairs = [("hook_first", double), ("hook_second", add_three)]
    see("with hooks(model, pairs): model(x)", lambda: inside(answer, model, *pairs)[0])
    see("after the block: model(x)", lambda: model(X))
    see("with hooks(..) as given: is it the model?", lambda: inside(answer, model, *pairs)[1])


def test_an_exception_in_the_block_goes_on_and_leaves_no_hook(answer, see):
    model = Model()
    see("in the block a hook raises", lambda: inside(answer, model, ("hook_second", boom)))
    see("hooks left on hook_first and hook_second", lambda: counts(model))

    def returns():
        with answer.hooks(model, [("hook_first", double)]):
            return "left by return"

    see("a block left by return", returns)
    see("hooks left on the two points then", lambda: counts(model))


def test_the_hooks_of_others_stay(answer, see):
    model = Model()
    model.add_hook("hook_first", double, is_permanent=True)
    model.add_hook("hook_second", double)
    see(
        "beside hooks of somebody else: model(x)",
        lambda: inside(answer, model, ("hook_first", add_three))[0],
    )
    see("hooks of somebody else on the two points, after the block", lambda: counts(model))

    def adds():
        with answer.hooks(model, [("hook_first", add_three)]):
            model.add_hook("hook_second", add_three)
        return counts(model)

    see("hooks on the two points, when the block itself added one to the second", adds)
    twin = Model()
    twin.add_hook("hook_first", double)
    see(
        "hooks on the two points, when the same function was on the first before",
        lambda: (inside(answer, twin, ("hook_first", double)), counts(twin))[1],
    )


def test_an_unknown_name_raises_before_anything_is_attached(answer, see):
    model = Model()
    pairs = [("hook_first", double), ("hook_frist", double)]
    see(
        "hooks(model, [('hook_first', ..), ('hook_frist', ..)])",
        lambda: inside(answer, model, *pairs),
    )
    see("hooks on the two points after that", lambda: counts(model))
