"""Promises of a model's hooks. Fault injection goes through every hook point."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minicache import HookedRootModule, HookPoint
from minicache.errors import (
    HookError,
    UnknownActivationError,
)
from tests.worlds import Toy, models, tokens

INPUT = torch.tensor([[1.0, -2.0, 3.0]])


def hooks_of(model):
    """Every hook on the model, by identity: what must be the same before and after."""
    return {name: [*p.fwd_hooks, *p.bwd_hooks] for name, p in model.hook_dict.items()}


class BoomError(Exception):
    pass


def boom(tensor, hook):
    raise BoomError(hook.name)


def nothing(tensor, hook):
    return None


def test_a_hook_sees_the_activation_and_the_hook_points_name():
    model, seen = Toy(), {}
    model.run_with_hooks(
        INPUT, fwd_hooks=[(lambda name: True, lambda t, hook: seen.update({hook.name: t}))]
    )
    assert list(seen) == ["hook_middle", "hook_out"]
    assert torch.equal(seen["hook_middle"], model.first(INPUT))


def test_none_leaves_the_tensor_and_a_tensor_replaces_it():
    model = Toy()
    plain = model(INPUT)
    assert torch.equal(model.run_with_hooks(INPUT, fwd_hooks=[("hook_middle", nothing)]), plain)
    zeroed = model.run_with_hooks(
        INPUT, fwd_hooks=[("hook_middle", lambda t, hook: torch.zeros_like(t))]
    )
    assert torch.equal(zeroed, model.second(torch.zeros(1, 5)))


def test_the_same_function_twice_runs_twice_and_comes_off_twice():
    model = Toy()

    def double(t, hook):
        return 2 * t

    with model.hooks([("hook_out", double), ("hook_out", double)]):
        assert torch.allclose(model(INPUT), 4 * Toy.forward(_bare(model), INPUT))
    assert hooks_of(model) == {"hook_middle": [], "hook_out": []}


def _bare(model):
    twin = Toy()
    twin.load_state_dict(model.state_dict())
    return twin


@given(model=models(), data=st.data())
def test_after_an_exception_at_any_hook_point_the_model_has_the_hooks_it_had(model, data):
    ids = tokens(2, 3)
    model.add_perma_hook("hook_embed", nothing)
    model.add_hook(lambda name: name.endswith("resid_pre"), nothing)
    before = hooks_of(model)
    for name in model.hook_dict:
        with pytest.raises(BoomError, match=name):
            model.run_with_hooks(ids, fwd_hooks=[("hook_embed", nothing), (name, boom)])
        assert hooks_of(model) == before
    name = data.draw(st.sampled_from(list(model.hook_dict)))
    model.add_hook(name, boom)
    before = hooks_of(model)
    with pytest.raises(BoomError):
        model.run_with_cache(ids)
    assert hooks_of(model) == before


def test_after_an_exception_in_the_model_no_hook_is_left():
    model = Toy()
    with pytest.raises(RuntimeError):
        model.run_with_cache(torch.zeros(1, 99))
    assert hooks_of(model) == {"hook_middle": [], "hook_out": []}


@pytest.mark.parametrize(
    "bad",
    [
        [("hook_middel", nothing)],
        [("hook_out", "not callable")],
        [(7, nothing)],
        [(["x"], nothing)],
        [(["hook_out"], nothing)],
        [(None, nothing)],
        ["hook_out"],
        [("hook_out",)],
        [("hook_out", nothing, nothing)],
        [nothing],
        ["ab"],
    ],
)
def test_a_bad_hook_anywhere_in_the_list_attaches_none_of_it(bad):
    model = Toy()
    with pytest.raises((UnknownActivationError, HookError)):
        model.run_with_hooks(INPUT, fwd_hooks=[("hook_middle", nothing), *bad])
    assert hooks_of(model) == {"hook_middle": [], "hook_out": []}


@pytest.mark.parametrize(
    "bad", [{"hook_out": nothing}, ("hook_out", nothing), "hook_out", None, 7, nothing]
)
def test_what_is_no_list_of_pairs_raises(bad):
    model = Toy()
    for kind in ("fwd_hooks", "bwd_hooks"):
        with pytest.raises(HookError, match=f"{kind} is a list of pairs"):
            model.run_with_hooks(INPUT, **{kind: bad})
    assert hooks_of(model) == {"hook_middle": [], "hook_out": []}


def test_an_iterator_of_pairs_is_read_once():
    model, calls = Toy(), []
    hook = ("hook_out", lambda t, hook: calls.append(hook.name))
    model.run_with_hooks(INPUT, fwd_hooks=iter([hook, list(hook)]))
    assert calls == ["hook_out", "hook_out"]


@pytest.mark.parametrize("name", [None, 3, ["hook_out"], b"hook_out"])
def test_a_hook_is_attached_by_a_name_or_a_predicate_and_by_nothing_else(name):
    model = Toy()
    with pytest.raises(HookError, match="by a name or a function of a name"):
        model.add_hook(name, nothing)
    assert hooks_of(model) == {"hook_middle": [], "hook_out": []}


def test_a_predicate_that_matches_nothing_says_so(caplog):
    model = Toy()
    model.add_hook(lambda name: "attn" in name, nothing)
    assert "its hook is not attached" in caplog.text
    caplog.clear()
    model.run_with_hooks(INPUT, fwd_hooks=[(lambda name: False, nothing)])
    assert "its hook is not attached" in caplog.text


def test_an_unknown_name_raises_with_the_nearest_names():
    with pytest.raises(UnknownActivationError, match="Nearest: 'hook_middle'"):
        Toy().add_hook("hook_midle", nothing)


def test_users_own_hooks_survive_runs_with_hooks_and_with_a_cache():
    model, calls = Toy(), []
    model.add_hook("hook_out", lambda t, hook: calls.append("mine"))
    model.run_with_hooks(INPUT, fwd_hooks=[("hook_out", nothing)])
    model.run_with_cache(INPUT)
    model(INPUT)
    assert calls == ["mine"] * 3


def test_reset_hooks_takes_all_but_the_permanent_and_empties_contexts():
    model = Toy()
    model.add_hook("hook_out", nothing)
    model.add_hook("hook_out", nothing, dir="bwd")
    model.add_perma_hook("hook_out", nothing)
    model.hook_out.ctx["note"] = 1
    model.reset_hooks(clear_contexts=False)
    assert (len(model.hook_out.fwd_hooks), model.hook_out.bwd_hooks) == (1, [])
    assert model.hook_out.ctx == {"note": 1}
    model.reset_hooks(including_permanent=True)
    assert hooks_of(model)["hook_out"] == []
    assert model.hook_out.ctx == {}


def test_a_context_can_leave_its_hooks_on_and_clear_contexts():
    model = Toy()
    model.hook_out.ctx["note"] = 1
    model.run_with_hooks(
        INPUT, fwd_hooks=[("hook_out", nothing)], reset_hooks_end=False, clear_contexts=True
    )
    assert len(model.hook_out.fwd_hooks) == 1
    assert model.hook_out.ctx == {}


def test_of_a_function_attached_twice_a_context_takes_off_its_own():
    model, calls = Toy(), []

    def one(tensor, hook):
        calls.append("one")

    model.add_hook("hook_out", one)
    model.add_hook("hook_out", lambda tensor, hook: calls.append("other"))
    model.run_with_hooks(INPUT, fwd_hooks=[("hook_out", one)])
    model(INPUT)
    assert calls == ["one", "other", "one", "one", "other"]


def test_notes_stay_when_a_context_is_left():
    model = Toy()

    def count(tensor, hook):
        hook.ctx["runs"] = hook.ctx.get("runs", 0) + 1

    for _ in range(2):
        model.run_with_hooks(INPUT, fwd_hooks=[("hook_out", count)])
    with model.hooks([("hook_out", count)]):
        model(INPUT)
    assert model.hook_out.ctx == {"runs": 3}


def test_nested_contexts_take_off_their_own_hooks_only():
    model = Toy()
    with model.hooks([("hook_out", nothing)]):
        with model.hooks([("hook_out", nothing), ("hook_middle", nothing)]):
            model.add_hook("hook_middle", nothing)  # stays: the block added it, not the context
            assert [len(h) for h in hooks_of(model).values()] == [2, 2]
        assert [len(h) for h in hooks_of(model).values()] == [1, 1]
    assert [len(h) for h in hooks_of(model).values()] == [1, 0]


def test_reset_hooks_inside_a_context_is_no_error_on_leaving():
    model = Toy()
    with model.hooks([("hook_out", nothing)]):
        model.reset_hooks()
    assert hooks_of(model)["hook_out"] == []


def test_a_hook_that_returns_something_else_raises_and_names_the_place():
    with pytest.raises(HookError, match="'hook_out' returned int"):
        Toy().run_with_hooks(INPUT, fwd_hooks=[("hook_out", lambda t, hook: 3)])


def test_a_backward_hook_sees_only_the_gradient_through_its_own_hook_point():
    class ByPass(HookedRootModule):
        def __init__(self):
            super().__init__()
            self.hook_x = HookPoint()
            self.setup()

        def forward(self, x):
            return (self.hook_x(x) + 10 * x).sum()

    x, model, seen = torch.ones(2, requires_grad=True), ByPass(), []
    with model.hooks(bwd_hooks=[("hook_x", lambda grad, hook: seen.append(grad))]):
        model(x).backward()
    assert torch.equal(seen[0], torch.ones(2))
    assert torch.equal(x.grad, torch.full((2,), 11.0))


def test_run_with_hooks_warns_of_backward_hooks_that_come_off_too_early(caplog):
    Toy().run_with_hooks(INPUT, bwd_hooks=[("hook_out", nothing)])
    assert "backward hooks are removed now" in caplog.text


def test_backward_hooks_put_on_after_the_forward_pass_say_that_they_saw_nothing(caplog):
    model = Toy()
    output = model(INPUT).sum()
    with model.hooks(bwd_hooks=[("hook_out", boom)]):
        output.backward()
    assert "none of them was called" in caplog.text
    caplog.clear()
    with torch.no_grad(), model.hooks(bwd_hooks=[("hook_out", boom)]):
        model(INPUT)
    assert "none of them was called" in caplog.text


def test_backward_hooks_that_saw_a_gradient_or_stay_on_say_nothing(caplog):
    model, calls = Toy(), []
    seen = [("hook_out", lambda grad, hook: calls.append("seen"))]
    with model.hooks(bwd_hooks=seen):
        model(INPUT).sum().backward()
    model.run_with_hooks(INPUT, bwd_hooks=seen, reset_hooks_end=False).sum().backward()
    with pytest.raises(BoomError), model.hooks(bwd_hooks=seen):
        boom(INPUT, model.hook_out)  # the exception says enough
    assert calls == ["seen", "seen"]
    assert caplog.text == ""


def test_a_model_that_was_not_set_up_says_what_to_call():
    class Forgetful(HookedRootModule):
        pass

    for call in (lambda model: model.run_with_cache(INPUT), lambda model: model.reset_hooks()):
        with pytest.raises(HookError, match=r"self\.setup\(\)"):
            call(Forgetful())


def test_mod_dict_holds_every_module_and_hook_dict_the_hook_points():
    model = Toy()
    assert set(model.mod_dict) == {"first", "second", "hook_middle", "hook_out"}
    assert set(model.hook_dict) == {"hook_middle", "hook_out"}
