"""Processing leaves every prediction as it was, and is done only when asked for."""

from __future__ import annotations

import torch
from hypothesis import given

from minicache import HookedTransformer
from minicache.model import processing
from tests.worlds import models, tokens


@given(model=models())
def test_processing_leaves_every_prediction_as_it_was(model):
    ids = tokens(2, 5)
    with torch.no_grad():
        before = model(ids)
        processing.fold_ln(model)
        torch.testing.assert_close(model(ids), before, atol=1e-9, rtol=1e-9)
        assert all(
            (p == 1).all() for n, p in model.named_parameters() if "ln" in n and n[-1] == "w"
        )
        processing.center_writing_weights(model)
        torch.testing.assert_close(model(ids), before, atol=1e-9, rtol=1e-9)
        assert model.W_E.mean(-1).abs().max() < 1e-12
        processing.center_unembed(model)
        after = model(ids)
        shift = (after - before).mean(-1, keepdim=True)
        torch.testing.assert_close(after - shift, before, atol=1e-9, rtol=1e-9)
        assert after.mean(-1).abs().max() < 1e-9


def test_processing_is_asked_for_when_a_model_is_loaded(shipped):
    done = HookedTransformer.from_pretrained(
        fold_ln=True, center_writing_weights=True, center_unembed=True
    )
    ids = tokens(2, 5)
    one, two = shipped(ids).log_softmax(-1), done(ids).log_softmax(-1)
    torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)
    assert (done.ln_final.w == 1).all()
    assert not (shipped.ln_final.w == 1).all()
