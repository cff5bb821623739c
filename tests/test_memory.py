"""What autodiff keeps: weighed, predicted, and told by the app."""

from __future__ import annotations

import dataclasses
import gc
import sys
from time import perf_counter
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.nn.modules import module as torch_module

from minicache import (
    HookedTransformer,
    HookedTransformerConfig,
    compare_modes,
    predict_saved_bytes,
    saved_for_backward,
)
from minicache.cli import memory as app
from minicache.errors import ConfigError, MissingPackageError
from minicache.memory import methods
from minicache.memory.live import LiveBytes
from tests.worlds import random_model, tokens


@st.composite
def shapes(draw):
    size = st.integers(1, 5)
    n_layers = draw(st.integers(1, 3))
    kinds = st.lists(st.sampled_from(["global", "local"]), min_size=n_layers, max_size=n_layers)
    return HookedTransformerConfig(
        n_layers=n_layers,
        n_heads=draw(size),
        d_head=draw(size),
        d_model=draw(size),
        d_mlp=draw(size),
        d_vocab=11,
        n_ctx=6,
        attn_only=draw(st.booleans()),
        act_fn=draw(st.sampled_from(["gelu_new", "gelu", "relu", "silu"])),
        use_attn_scale=draw(st.booleans()),
        attn_types=draw(st.none() | kinds),
        window_size=2,
        seed=0,
    )


@settings(max_examples=200)
@given(
    cfg=shapes(),
    batch=st.integers(1, 4),
    pos=st.integers(1, 6),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16]),
)
def test_the_formula_agrees_with_the_measurement_to_the_byte(cfg, batch, pos, dtype):
    model = HookedTransformer(cfg).to(dtype)
    ids = tokens(batch, pos)
    saved = saved_for_backward(lambda: model(ids))
    assert saved.total == predict_saved_bytes(cfg, batch, pos, dtype)


@given(cfg=shapes(), batch=st.integers(1, 3), pos=st.integers(1, 6))
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
    for parameter in model.parameters():  # hook_pos_embed is a view of one: it costs nobody
        storages.pop(parameter.untyped_storage()._cdata, None)
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


@given(cfg=shapes())
def test_with_autodiff_less_without_is_what_the_graph_holds(cfg):
    model, ids = HookedTransformer(cfg), tokens(2, 5)
    start = perf_counter()
    modes = compare_modes(model, ids, steps=4)
    assert sum(cost.seconds for cost in modes.values()) < perf_counter() - start
    saved = saved_for_backward(lambda: model(ids)).total
    logits = model(ids).nbytes
    assert modes["no_grad"].retained == modes["inference_mode"].retained == logits
    assert modes["grad"].retained == logits + saved
    assert modes["grad, losses in a list"].retained >= 4 * saved
    assert all(cost.peak >= cost.retained and cost.seconds > 0 for cost in modes.values())


def test_live_bytes_come_back_to_nothing():
    with LiveBytes() as live:
        one = torch.ones(10) + 1
        assert (live.now, live.peak) == (40, 80)
        two = one[2:5]
        assert live.now == 40
        del one
        assert live.now == 40
        del two
        gc.collect()
        assert live.now == 0
    assert live.peak == 80


@pytest.mark.parametrize(
    ("batch", "pos"), [(0, 3), (1, 0), (1, 10), (1.0, 3), (1, "3"), (-1, 3), (True, 0)]
)
def test_a_size_that_no_run_has_is_refused(batch, pos):
    with pytest.raises(ConfigError, match="give an int from 1"):
        predict_saved_bytes(random_model().cfg, batch, pos)


def test_the_saved_are_plain_and_frozen():
    saved = saved_for_backward(lambda: random_model()(tokens(1, 2)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        saved.saved = ()


# The app


@pytest.fixture(scope="module")
def findings():
    return app.look(HookedTransformer.from_pretrained(), batch=8, pos=20)


def test_every_method_gives_a_number_or_says_why_not(findings):
    assert {row["number"] for row in findings["methods"]} == {1, 2, 3, 4, 5, 6}
    for row in findings["methods"]:
        assert (row["says"] is None) != (row["why_not"] is None)
        assert row["good_for"]


def test_the_comparisons_and_the_line_find_the_exact_figure(findings):
    says = {row["method"]: row["says"] for row in findings["methods"]}
    assert findings["exact"] == findings["predicted"]
    assert says["less no_grad"] == says["less inference_mode"] == findings["exact"]
    # A mask takes one byte where a number takes four, so the line is exact and not nearly so.
    assert says["batch size, a line"] == pytest.approx(findings["exact"], rel=1e-9)
    logits = 8 * 20 * 123 * 4
    assert says["TensorBoard scalar"] == findings["exact"] + logits
    assert says["torch.profiler"] == pytest.approx(findings["exact"] + logits, rel=0.01)


def test_tensorboard_files_can_be_read_back(tmp_path):
    model = HookedTransformer.from_pretrained()
    ids = torch.zeros(2, 10, dtype=torch.long)
    says = methods.by_tensorboard(model, ids, tmp_path)
    assert list(tmp_path.glob("events.out.tfevents.*"))
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    points = events.Scalars("memory/live_bytes")
    assert [point.step for point in points] == [0, 1, 2, 3, 4]
    values = [point.value for point in points]
    assert values == sorted(values)
    assert values[-1] - values[0] == says


@pytest.mark.parametrize(
    ("module", "method", "package"),
    [
        ("psutil", methods.by_process, "psutil"),
        ("pynvml", methods.by_device, "nvidia-ml-py"),
        ("memory_profiler", methods.by_line, "memory-profiler"),
        ("torch.utils.tensorboard", methods.by_tensorboard, "tensorboard"),
        ("memray", methods.by_memray, "memray"),
    ],
)
def test_a_missing_package_names_the_command_that_brings_it(monkeypatch, module, method, package):
    monkeypatch.setitem(sys.modules, module, None)  # what Python itself does to block an import
    with pytest.raises(MissingPackageError, match=r"pip install .*\[memory\]") as caught:
        method(HookedTransformer.from_pretrained(), torch.zeros(1, 2, dtype=torch.long))
    assert package in str(caught.value)


def test_without_a_driver_nvidia_smi_says_so(monkeypatch):
    class NVMLError(Exception):
        pass

    def init():
        raise NVMLError("no library")

    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(NVMLError=NVMLError, nvmlInit=init))
    with pytest.raises(ConfigError, match="no NVIDIA driver"):
        methods.by_device(HookedTransformer.from_pretrained(), torch.zeros(1, 2, dtype=torch.long))
