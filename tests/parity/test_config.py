"""A configuration of TransformerLens describes the same model here, or is refused by name."""

import pytest
import torch

from minicache import HookedTransformer, HookedTransformerConfig
from minicache.errors import ConfigError

peer = pytest.importorskip(
    "transformer_lens", reason="TransformerLens is not installed: see tests/parity/README.md"
)
Peer, PeerConfig = peer.HookedTransformer, peer.HookedTransformerConfig

SHAPE = dict(n_layers=2, d_model=8, n_ctx=5, d_head=4, d_vocab=7, device="cpu", seed=0)
SAME = [
    dict(act_fn="gelu_new"),
    dict(act_fn="relu", n_heads=3, d_mlp=5),
    dict(attn_only=True),
    dict(act_fn="silu", use_attn_scale=False),
    dict(act_fn="gelu", use_local_attn=True, attn_types=["global", "local"], window_size=2),
]


@pytest.mark.parametrize("options", SAME)
def test_a_whole_configuration_of_transformerlens_gives_the_same_model(options):
    theirs = Peer(PeerConfig(**SHAPE, **options))
    ours = HookedTransformer(HookedTransformerConfig(**theirs.cfg.to_dict()))
    ours.load_state_dict(theirs.state_dict())
    ids = torch.tensor([[1, 6, 0, 3, 3]])
    torch.testing.assert_close(ours(ids), theirs(ids), atol=1e-5, rtol=1e-4)
    assert ours.cfg.init_range == pytest.approx(theirs.cfg.initializer_range)


@pytest.mark.parametrize(
    "options",
    [
        dict(normalization_type="RMS"),
        dict(normalization_type=None),
        dict(positional_embedding_type="rotary"),
        dict(parallel_attn_mlp=True),
        dict(gated_mlp=True),
        dict(attention_dir="bidirectional"),
        dict(scale_attn_by_inverse_layer_idx=True),
        dict(act_fn="solu_ln"),
        dict(d_vocab_out=3),
        dict(n_key_value_heads=1),
        dict(use_hook_mlp_in=True),
    ],
)
def test_what_minicache_does_not_have_is_refused_by_its_name(options):
    settings = PeerConfig(**{**SHAPE, "act_fn": "gelu", **options}).to_dict()
    with pytest.raises(ConfigError, match=next(iter(options))):
        HookedTransformerConfig(**settings)
