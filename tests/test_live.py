"""Bytes that are alive, counted."""

from __future__ import annotations

import dataclasses
import gc
from time import perf_counter

import pytest
import torch
from hypothesis import given

from minicache import HookedTransformer, compare_modes, saved_for_backward
from minicache.memory.live import LiveBytes
from tests.worlds import configs, random_model, tokens


@given(cfg=configs())
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


def test_a_cost_is_frozen():
    cost = compare_modes(random_model(1), tokens(1, 2))["grad"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        cost.peak = 0
