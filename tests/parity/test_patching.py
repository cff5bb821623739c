"""Every sweep of `transformer_lens.patching` 3.9.0, with the same weights: the same numbers."""

from __future__ import annotations

import inspect

import pytest
import torch

pytest.importorskip(
    "transformer_lens", reason="TransformerLens is not installed: see tests/parity/README.md"
)

import pandas as pd
import transformer_lens.patching as theirs

from minicache import patching as ours
from tests.peer import peer_of
from tests.worlds import random_model, tokens

SWEEPS = [name for name in dir(theirs) if name.startswith("get_act_patch_")]
SETTERS = [name for name in dir(theirs) if name.endswith("_patch_setter")]
KINDS = {
    "with_mlp": dict(n_layers=3, n_heads=2),
    "attn_only": dict(n_layers=2, n_heads=3, attn_only=True),
    "one_layer": dict(n_layers=1, n_heads=2),
}
WITHOUT_MLPS = ("get_act_patch_mlp_out", "get_act_patch_resid_mid", "get_act_patch_block_every")
RELATIVE = 1e-5


def metric(logits):
    return (logits[:, -1, 3] - logits[:, -1, 5]).mean()


@pytest.fixture(scope="module", params=KINDS)
def pair(request):
    """For ours and theirs: (model, corrupted tokens, clean cache, metric)."""
    model = random_model(**KINDS[request.param], dtype=torch.float32)
    peer = peer_of(model)
    corrupted, clean = tokens(3, 5), tokens(3, 5, seed=9)
    with torch.no_grad():
        return [(m, corrupted, m.run_with_cache(clean)[1], metric) for m in (model, peer)]


def close(mine, yours):
    assert mine.shape == yours.shape
    assert mine.dtype == yours.dtype
    assert (mine - yours).abs().max() <= RELATIVE * yours.abs().max()


@pytest.mark.parametrize("name", SWEEPS)
@pytest.mark.parametrize("batch_size", [None, 1, 7])
def test_every_sweep_gives_what_theirs_gives(pair, name, batch_size):
    mine, yours = pair
    if mine[0].cfg.attn_only and name in WITHOUT_MLPS:
        with pytest.raises(KeyError):
            getattr(theirs, name)(*yours)
        with pytest.raises(KeyError):
            getattr(ours, name)(*mine)
    else:
        result = getattr(ours, name)(*mine, batch_size=batch_size)
        close(result, getattr(theirs, name)(*yours))


def test_there_are_all_of_their_names_with_their_arguments():
    assert len(SWEEPS) == 18
    for name in [*SWEEPS, *SETTERS, "generic_activation_patch"]:
        mine, yours = (
            list(inspect.signature(getattr(module, name)).parameters) for module in (ours, theirs)
        )
        assert mine[: len(yours)] == yours, name


@pytest.mark.parametrize("name", SETTERS)
def test_every_setter_works_in_the_generic_function(pair, name):
    mine, yours = pair
    axes = {
        "layer_pos_patch_setter": ("resid_pre", ["layer", "pos"]),
        "layer_pos_head_vector_patch_setter": ("v", ["layer", "pos", "head"]),
        "layer_head_vector_patch_setter": ("k", ["layer", "head"]),
        "layer_head_pattern_patch_setter": ("attn_scores", ["layer", "head"]),
        "layer_head_pos_pattern_patch_setter": ("pattern", ["layer", "head", "dest_pos"]),
        "layer_head_dest_src_pos_pattern_patch_setter": (
            "pattern",
            ["layer", "head", "dest_pos", "src_pos"],
        ),
    }[name]
    result = ours.generic_activation_patch(*mine, getattr(ours, name), *axes)
    close(result, theirs.generic_activation_patch(*yours, getattr(theirs, name), *axes))


def test_a_setter_of_ones_own_and_indices_in_a_data_frame_work_alike(pair):
    mine, yours = pair

    def halfway(now, index, clean):
        _, pos = index
        return torch.lerp(now, clean, 0.5) if pos else now

    frame = pd.DataFrame([(0, 1), (0, 0), (0, 3)], columns=["layer", "pos"])
    asked = dict(index_df=frame, return_index_df=True)
    result, indices = ours.generic_activation_patch(*mine, halfway, "q", **asked)
    expected, _ = theirs.generic_activation_patch(*yours, halfway, "q", **asked)
    close(result, expected)
    assert indices == [(0, 1), (0, 0), (0, 3)]
    partly = dict(index_axis_names=None, index_df=frame)
    close(
        ours.get_act_patch_resid_pre(*mine, **partly),
        theirs.get_act_patch_resid_pre(*yours, **partly),
    )
