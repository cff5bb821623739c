"""What the formula predicts, against the measurement."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minicache import HookedTransformer, predict_saved_bytes, saved_for_backward
from minicache.errors import ConfigError
from tests.worlds import configs, random_model, tokens


@settings(max_examples=200)
@given(
    cfg=configs(),
    batch=st.integers(1, 4),
    pos=st.integers(1, 6),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16]),
)
def test_the_formula_agrees_with_the_measurement_to_the_byte(cfg, batch, pos, dtype):
    model = HookedTransformer(cfg).to(dtype)
    ids = tokens(batch, pos)
    saved = saved_for_backward(lambda: model(ids))
    assert saved.total == predict_saved_bytes(cfg, batch, pos, dtype)


@pytest.mark.parametrize(
    ("batch", "pos"),
    [(0, 3), (1, 0), (1, 10), (1.0, 3), (1, "3"), (-1, 3), (True, 0), (True, 3), (1, True)],
)
def test_a_size_that_no_run_has_is_refused(batch, pos):
    with pytest.raises(ConfigError, match="give an int from 1"):
        predict_saved_bytes(random_model().cfg, batch, pos)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64, "float32", None])
def test_a_dtype_that_no_model_runs_in_is_refused(dtype):
    with pytest.raises(ConfigError, match="floating dtype"):
        predict_saved_bytes(random_model().cfg, 1, 1, dtype)
