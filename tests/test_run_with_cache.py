"""What `run_with_cache` keeps, and what it refuses."""

import pytest
import torch
from hypothesis import given

from minicache import HookedRootModule, HookPoint
from minicache.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    BatchSizeError,
    GradientError,
    HookError,
    UnknownActivationError,
)
from tests.worlds import Toy, models, random_model, tokens

INPUT = torch.tensor([[1.0, -2.0, 3.0]])


def nothing(tensor, hook):
    return None


def hooks_of(model):
    """Every hook on the model, by identity: what must be the same before and after."""
    return {name: [*p.fwd_hooks, *p.bwd_hooks] for name, p in model.hook_dict.items()}


@given(model=models())
def test_run_with_cache_gives_the_plain_forwards_logits_bit_for_bit(model):
    ids = tokens(2, 5)
    logits, _ = model.run_with_cache(ids)
    assert torch.equal(logits, model(ids))


@given(model=models())
def test_cached_tensors_hold_no_graph_and_share_the_models_memory(model):
    seen = {}
    model.add_hook(lambda name: True, lambda t, hook: seen.update({hook.name: t}))
    _, cache = model.run_with_cache(tokens(2, 5))
    assert list(cache) == list(seen)
    for name, tensor in cache.items():
        assert not tensor.requires_grad
        assert tensor.data_ptr() == seen[name].data_ptr()


def test_the_cache_sees_what_the_users_hooks_made_of_an_activation():
    model = Toy()
    model.add_hook("hook_middle", lambda t, hook: t * 0)
    _, cache = model.run_with_cache(INPUT)
    assert torch.equal(cache["hook_middle"], torch.zeros(1, 5))


@pytest.mark.parametrize(
    ("names_filter", "kept"),
    [
        (None, ["hook_middle", "hook_out"]),
        ("hook_out", ["hook_out"]),
        (["hook_out", "hook_middle"], ["hook_middle", "hook_out"]),
        (("hook_out",), ["hook_out"]),
        (lambda name: "mid" in name, ["hook_middle"]),
    ],
)
def test_a_names_filter_keeps_what_it_names(names_filter, kept):
    assert list(Toy().run_with_cache(INPUT, names_filter=names_filter)[1]) == kept


@pytest.mark.parametrize("names_filter", [[], lambda name: False])
def test_a_filter_that_matches_nothing_says_so(names_filter, caplog):
    _, cache = Toy().run_with_cache(INPUT, names_filter=names_filter)
    assert cache == {}
    assert [(r.name, r.levelname) for r in caplog.records] == [("minicache", "WARNING")]


@pytest.mark.parametrize("bad", [[3], [None], [["hook_out"]], ["hook_out", 3]])
def test_a_filter_that_lists_what_is_no_name_raises(bad):
    with pytest.raises(UnknownActivationError, match="has no hook point"):
        Toy().run_with_cache(INPUT, names_filter=bad)


@pytest.mark.parametrize("bad", [7, 1.5, object()])
def test_a_filter_of_the_wrong_type_raises(bad):
    with pytest.raises(HookError, match="names_filter"):
        Toy().run_with_cache(INPUT, names_filter=bad)


def test_incl_bwd_caches_the_gradients_that_autograd_gives():
    model = random_model()
    ids = tokens(2, 4)
    loss, cache = model.run_with_cache(ids, return_type="loss", incl_bwd=True)
    kept = []

    def keep(t, hook):
        t.retain_grad()
        kept.append(t)

    model.run_with_hooks(
        ids, return_type="loss", fwd_hooks=[("blocks.0.hook_resid_mid", keep)]
    ).backward()
    assert torch.equal(cache["blocks.0.hook_resid_mid_grad"], kept[0].grad)
    assert len([name for name in cache if name.endswith("_grad")]) == len(model.hook_dict)
    assert loss.ndim == 0
    assert hooks_of(model) == {name: [] for name in model.hook_dict}


def test_incl_bwd_needs_a_scalar_and_a_graph():
    with pytest.raises(GradientError, match=r"scalar.*\(1, 2\)"):
        Toy().run_with_cache(INPUT, incl_bwd=True)
    model, ask = random_model(), {"return_type": "loss", "incl_bwd": True}
    with torch.no_grad(), pytest.raises(GradientError, match="Autodiff is off here"):
        model.run_with_cache(tokens(1, 3), **ask)
    model.requires_grad_(False)
    with pytest.raises(GradientError, match="All parameters are frozen"):
        model.run_with_cache(tokens(1, 3), **ask)
    assert hooks_of(model) == {name: [] for name in model.hook_dict}


def test_incl_bwd_says_so_when_the_model_detached_its_output():
    class Detaches(Toy):
        def forward(self, x):
            return super().forward(x).sum().detach()

    with pytest.raises(GradientError, match="forward detached it"):
        Detaches().run_with_cache(INPUT, incl_bwd=True)


def test_pos_slice_keeps_the_positions_asked_for_on_the_right_axis():
    model, ids = random_model(), tokens(2, 6)
    _, whole = model.run_with_cache(ids)
    _, part = model.run_with_cache(ids, pos_slice=(1, 4))
    _, one = model.run_with_cache(ids, pos_slice=-1)
    assert torch.equal(part["q0"], whole["q0"][:, 1:4])
    assert torch.equal(part["resid_pre", 1], whole["resid_pre", 1][:, 1:4])
    assert torch.equal(part["pattern", 0], whole["pattern", 0][:, :, 1:4])
    assert torch.equal(one["resid_pre", 1], whole["resid_pre", 1][:, -1:])


def test_a_hook_point_without_a_position_axis_is_kept_whole():
    class Scalar(HookedRootModule):
        def __init__(self):
            super().__init__()
            self.hook_sum = HookPoint()
            self.setup()

        def forward(self, x):
            return self.hook_sum(x.sum())

    assert Scalar().run_with_cache(INPUT, pos_slice=0)[1] == {"hook_sum": torch.tensor(2.0)}
    with pytest.raises(BatchSizeError, match="'hook_sum' has shape"):
        Scalar().run_with_cache(INPUT, remove_batch_dim=True)


def test_remove_batch_dim_drops_a_batch_of_one_and_refuses_a_larger_one():
    model = random_model()
    _, cache = model.run_with_cache(tokens(1, 4), remove_batch_dim=True)
    assert cache["embed"].shape == (4, 10)
    assert not cache.has_batch_dim
    with pytest.raises(BatchSizeError, match=r"\(2, 4, 10\)"):
        model.run_with_cache(tokens(2, 4), remove_batch_dim=True)
    assert hooks_of(model) == {name: [] for name in model.hook_dict}


@pytest.mark.parametrize(
    ("device", "error"),
    [
        ("nowhere", ArgumentValueError),
        (1.5, ArgumentTypeError),
        ("meta", ArgumentValueError),
        pytest.param(
            "cuda",
            ArgumentValueError,
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is one"),
        ),
    ],
)
def test_a_device_that_cannot_keep_the_cache_is_told_before_the_run(device, error):
    model, calls = Toy(), []
    model.add_hook("hook_out", lambda t, hook: calls.append(1))
    with pytest.raises(error):
        model.run_with_cache(INPUT, device=device)
    assert calls == []


def test_get_caching_hooks_without_a_filter_keep_everything():
    model = Toy()
    cache, fwd, bwd = model.get_caching_hooks()
    assert [name for name, _ in fwd] == list(model.hook_dict)
    assert (cache, bwd) == ({}, [])
    model.run_with_hooks(INPUT, fwd_hooks=fwd)
    assert list(cache) == list(model.hook_dict)


def test_get_caching_hooks_fills_the_dictionary_that_it_is_given():
    model, mine = Toy(), {}
    cache, fwd, bwd = model.get_caching_hooks("hook_out", incl_bwd=True, cache=mine)
    with model.hooks(fwd, bwd):
        model(INPUT).sum().backward()
    assert cache is mine
    assert set(mine) == {"hook_out", "hook_out_grad"}


def test_a_plain_modules_run_with_cache_gives_a_dict_and_a_transformers_a_cache():
    assert type(Toy().run_with_cache(INPUT)[1]) is dict
    model = random_model()
    assert type(model.run_with_cache(tokens(1, 2))[1]).__name__ == "ActivationCache"
    assert type(model.run_with_cache(tokens(1, 2), return_cache_object=False)[1]) is dict
