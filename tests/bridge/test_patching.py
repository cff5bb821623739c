"""Patching wrapped models: they start at no layer, and everything else is as in our own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from minicache import ActivationCache, patching
from tests.bridge.test_laws import world
from tests.worlds import assert_close

FAMILIES = "gpt2 llama gemma2 gptj olmo2".split()
SWEEPS = {
    "resid_pre": patching.get_act_patch_resid_pre,
    "mlp_out": patching.get_act_patch_mlp_out,
    "z": patching.get_act_patch_attn_head_out_all_pos,
    "q": patching.get_act_patch_attn_head_q_all_pos,
    "v": patching.get_act_patch_attn_head_v_all_pos,
    "pattern": patching.get_act_patch_attn_head_pattern_all_pos,
}


def metric(logits: Tensor) -> Tensor:
    return (logits[:, -1, 5] - logits[:, -1, 9]).mean()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sweep_of_a_wrapped_model_is_its_patches_one_at_a_time(family):
    model, corrupted, *_ = world(family)
    with torch.no_grad():
        _, clean = model.run_with_cache(corrupted.flip(1))
    for name, sweep in SWEEPS.items():
        result = sweep(model, corrupted, clean, metric)
        heads = name not in ("resid_pre", "mlp_out")
        where = (slice(None), 1) if name == "pattern" else (slice(None), slice(None), 1)
        where = where if heads else (slice(None), 1)

        def patch(activation, hook, where=where):
            activation = activation.clone()
            activation[where] = clean[hook.name][where]
            return activation

        (point,) = [n for n in clean if n.startswith("blocks.1.") and n.endswith(f"hook_{name}")]
        with torch.no_grad():
            expected = metric(model.run_with_hooks(corrupted, fwd_hooks=[(point, patch)]))
        assert_close(result[1, 1], expected.to(result), what=f"{family} {name}")


@pytest.mark.parametrize("family", FAMILIES)
def test_estimates_ablation_and_paths_work_on_a_wrapped_model(family):
    model, corrupted, *_ = world(family)
    with torch.no_grad():
        _, clean = model.run_with_cache(corrupted.flip(1))
        before = metric(model(corrupted))
        _, now = model.run_with_cache(corrupted)
    near = {name: now[name] + 1e-3 * (clean[name] - now[name]).nan_to_num() for name in now}
    asked = (model, corrupted, ActivationCache(near, model), metric)
    estimate = patching.attribution_patching(*asked, "z", ["layer", "head"]) - before
    truth = SWEEPS["z"](*asked) - before
    assert (estimate - truth).abs().max() < 0.05 * truth.abs().max()
    _, senders = clean.get_full_resid_decomposition(1, expand_neurons=False, return_labels=True)
    for which in ("q", "v"):
        together = patching.path_patching(
            model, corrupted, clean, metric, [senders], ["L1H1"], which
        )
        whole = SWEEPS[which](model, corrupted, clean, metric)[1, 1]
        assert abs(together[0] - whole) < 1e-6  # some families normalise in float32
    with patching.ablate(model, ["L0H1", "1_mlp_out"], "mean", clean), torch.no_grad():
        changed = metric(model(corrupted))
    assert changed != before
    with torch.no_grad():
        assert_close(metric(model(corrupted)), before)


def test_shared_keys_are_swept_head_by_head_and_the_helper_fills_up_with_zeros():
    model, corrupted, *_ = world("llama")
    with torch.no_grad():
        _, clean = model.run_with_cache(corrupted.flip(1))
    keys = patching.get_act_patch_attn_head_k_all_pos(model, corrupted, clean, metric)
    assert keys.shape == (3, 2)
    every = patching.get_act_patch_attn_head_all_pos_every(model, corrupted, clean, metric)
    assert_close(every[1 + 1, :, :2], keys)
    assert every[2:4, :, 2:].eq(0).all()
