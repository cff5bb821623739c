"""What a graph keeps, weighed to the byte."""

from __future__ import annotations

import dataclasses
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.modules import module as torch_module

from minicache import HookedTransformer, HookPoint, saved_for_backward
from minicache.memory.live import LiveBytes
from tests.worlds import D_VOCAB, configs, random_model, tokens


@given(cfg=configs(), batch=st.integers(1, 3), pos=st.integers(1, 6))
def test_every_way_to_group_the_bytes_has_the_same_sum(cfg, batch, pos):
    model = HookedTransformer(cfg)
    saved = saved_for_backward(lambda: model(tokens(batch, pos)))
    assert sum(saved.by_operation().values()) == saved.total
    assert sum(saved.by_module().values()) == saved.total
    known = {name for name, _ in model.named_modules()}
    assert set(saved.by_module()) <= known
    every = saved.total + saved.parameters + saved.inputs
    assert every == sum(one.bytes for one in saved.saved)


def test_parameters_and_tokens_stand_apart():
    model, ids = random_model(), tokens(2, 5)
    saved = saved_for_backward(lambda: model(ids))
    kinds = {(one.operation, one.shape): one.kind for one in saved.saved}
    assert kinds["getitem", (2, 5)] == "input"
    assert kinds["matmul", (10, 11)] == "parameter"  # W_U
    assert saved.inputs == ids.nbytes
    assert 0 < saved.parameters <= sum(p.nbytes for p in model.parameters())


def test_a_sum_worked_out_by_hand():
    x = torch.ones(100, requires_grad=True)
    saved = saved_for_backward(lambda: (x * 2).exp().sin())
    # exp keeps its result and sin its input: one tensor. x * 2 keeps nothing but a number.
    assert saved.total == 400
    assert [one.operation for one in saved.saved] == ["exp"]


def test_a_small_view_keeps_its_whole_storage():
    x = torch.ones(100, requires_grad=True)
    saved = saved_for_backward(lambda: (x + 1)[:3].sin())
    assert saved.total == 400
    assert saved.saved[0].shape == (3,)


@pytest.mark.parametrize(
    "run",
    [
        lambda model: None,
        lambda model: float(model(tokens(2, 5)).sum().detach()),
        lambda model: torch.no_grad()(model)(tokens(2, 5)),
        lambda model: torch.inference_mode()(model)(tokens(2, 5)),
        lambda model: model(tokens(2, 5)).detach(),
        lambda model: model(tokens(2, 5)).sum().backward(),
    ],
    ids=["nothing", "float", "no_grad", "inference_mode", "detach", "backward"],
)
def test_what_returns_no_graph_costs_nothing(run):
    model = random_model()
    assert saved_for_backward(lambda: run(model)).saved == ()


def test_backward_gives_the_same_gradients_while_it_is_weighed():
    model, again = random_model(), random_model()
    saved_for_backward(lambda: model(tokens(2, 5)).sum().backward())
    again(tokens(2, 5)).sum().backward()
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=0, rtol=0)


def test_an_exception_leaves_nothing_behind():
    model = random_model()

    def fail(tensor, hook):
        raise RuntimeError("on purpose")

    before = [len(torch_module._global_forward_hooks), len(torch_module._global_forward_pre_hooks)]
    with (
        pytest.raises(RuntimeError, match="on purpose"),
        model.hooks([("blocks.1.attn.hook_z", fail)]),
    ):
        saved_for_backward(lambda: model(tokens(2, 5)))
    after = [len(torch_module._global_forward_hooks), len(torch_module._global_forward_pre_hooks)]
    assert before == after
    assert saved_for_backward(lambda: model(tokens(2, 5))).total > 0


def test_the_cache_shares_what_the_graph_holds_and_adds_the_rest():
    model, ids = random_model(), tokens(2, 5)
    saved = saved_for_backward(lambda: model(ids))
    assert "blocks.0.attn.hook_pattern" in saved.shared
    assert "blocks.0.attn.hook_attn_scores" in saved.extra
    assert not set(saved.shared) & set(saved.extra)
    _, cache = model.run_with_cache(ids)
    storages = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in cache.values()}
    both = sum(saved.shared.values()) + sum(saved.extra.values())
    assert both == sum(storages.values())


def test_a_cache_beside_a_graph_weighs_what_was_said():
    model, ids = random_model(), tokens(2, 5)
    saved = saved_for_backward(lambda: model(ids))
    with LiveBytes() as alone:
        logits = model(ids)
        graph = alone.now
        del logits
    with LiveBytes() as together:
        logits, cache = model.run_with_cache(ids)
        both = together.now
    # The logits themselves are an activation of the cache, and are held in both.
    own = saved.extra["unembed.hook_out"]
    assert both - graph == sum(saved.extra.values()) - own
    del logits, cache


def test_the_saved_are_plain_and_frozen():
    saved = saved_for_backward(lambda: random_model()(tokens(1, 2)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        saved.saved = ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        saved.saved[0].bytes = 0


class Wrapper(nn.Module):
    """Calls models that it holds, as parts of its own or hidden in a list."""

    def __init__(self, *models, registered):
        super().__init__()
        self.models = nn.ModuleList(models) if registered else models
        self.head = nn.Linear(D_VOCAB, 2, dtype=torch.float64)

    def forward(self, ids):
        return [self.head(model(ids)) for model in self.models]


@pytest.mark.parametrize("registered", [True, False])
def test_a_model_in_a_wrapper_has_the_names_that_it_has_alone(registered):
    model, ids = random_model(), tokens(2, 5)
    alone = saved_for_backward(lambda: model(ids))
    wrapper = Wrapper(model, registered=registered)
    inside = saved_for_backward(lambda: wrapper(ids))
    last = "unembed.hook_out"  # the head needs the logits
    assert inside.shared == alone.shared | {last: alone.extra[last]}
    assert inside.extra == {name: n for name, n in alone.extra.items() if name != last}
    assert inside.total == alone.total + alone.extra[last]
    assert set(alone.by_module()) <= set(inside.by_module())


@pytest.mark.parametrize("how", ["one call", "registered", "hidden"])
def test_two_models_are_kept_apart(how):
    first, second, ids = random_model(), random_model(1, seed=1), tokens(2, 5)
    wrapper = Wrapper(first, second, registered=how == "registered")
    run = (lambda: (first(ids), second(ids))) if how == "one call" else lambda: wrapper(ids)
    both, one, other = (
        saved_for_backward(fn) for fn in (run, lambda: first(ids), lambda: second(ids))
    )
    sums = [sum(s.shared.values()) + sum(s.extra.values()) for s in (both, one, other)]
    assert sums[0] == sums[1] + sums[2]
    assert len(both.shared) + len(both.extra) == sum(
        len(s.shared) + len(s.extra) for s in (one, other)
    )
    prefix = "models.1." if how == "registered" else "HookedTransformer 2."
    assert {prefix + name for name in other.shared} <= set(both.shared)
    assert set(one.shared) <= set(both.shared)


def test_a_hook_point_that_shows_an_input_costs_a_cache_nothing():
    point, x = HookPoint(), torch.ones(3, requires_grad=True)
    saved = saved_for_backward(lambda: point(x).exp())
    assert (saved.shared, saved.extra, saved.total) == ({}, {}, 12)


def test_two_runs_of_one_model_count_twice():
    model, ids = random_model(), tokens(2, 5)
    once = saved_for_backward(lambda: model(ids))
    twice = saved_for_backward(lambda: (model(ids), model(ids)))
    assert twice.shared == {name: 2 * size for name, size in once.shared.items()}
    assert twice.extra == {name: 2 * size for name, size in once.extra.items()}


def test_a_module_beside_a_model_has_a_name_of_its_own():
    model, ids, tanh = random_model(), tokens(2, 5), nn.Tanh()
    saved = saved_for_backward(lambda: tanh(model(ids)))
    assert saved.by_module()["Tanh 1"] == 2 * 5 * D_VOCAB * 8


def test_by_module_says_the_module_that_ran_the_operation():
    model, ids = random_model(), tokens(2, 5)
    saved = saved_for_backward(lambda: model(ids))
    softmax = [one.module for one in saved.saved if one.operation == "softmax"]
    assert softmax == ["blocks.0.attn", "blocks.1.attn"]
    gelu = [one.module for one in saved.saved if one.operation == "gelu"]
    assert gelu == ["blocks.0.mlp", "blocks.1.mlp"]


def test_of_two_hook_points_that_show_one_storage_the_first_counts():
    saved = saved_for_backward(lambda: random_model()(tokens(2, 5)))
    # Block 1 reads what block 0 wrote: two names, one storage. A cache's entry for both is one.
    assert "blocks.0.hook_resid_post" in saved.extra
    assert "blocks.1.hook_resid_pre" not in saved.extra


def test_other_threads_models_run_on_and_are_not_counted():
    model, other, ids = random_model(), random_model(1, seed=1), tokens(2, 5)
    alone, done, failed, runs = saved_for_backward(lambda: model(ids)), Event(), [], []

    def keep_running():
        while not done.is_set():
            try:
                runs.append(other(ids))
                del runs[:-1]
            except Exception as error:
                failed.append(error)

    threads = [Thread(target=keep_running) for _ in range(2)]
    for thread in threads:
        thread.start()
    with warnings.catch_warnings(record=True) as warned:  # torch warns of a hook that raises
        warnings.simplefilter("always")
        found = [saved_for_backward(lambda: model(ids)) for _ in range(30)]
    done.set()
    for thread in threads:
        thread.join()
    assert found == [alone] * 30
    assert runs
    assert (failed, [str(warning.message) for warning in warned]) == ([], [])


def test_four_threads_weigh_their_runs_at_once_and_each_gets_its_own_figure():
    model = random_model(1)
    prompts = [tokens(1, pos) for pos in (2, 3, 4, 5)]
    alone = [saved_for_backward(lambda ids=ids: model(ids)) for ids in prompts]

    def weigh(number):
        return all(
            saved_for_backward(lambda: model(prompts[number])) == alone[number] for _ in range(20)
        )

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(weigh, range(4))) == [True] * 4
