"""The configuration of a model checks itself."""

import copy
import pickle
from dataclasses import asdict, replace

import pytest
import torch

from minicache import HookedTransformerConfig
from minicache.errors import ConfigError

GOOD = dict(n_layers=2, d_model=8, n_ctx=4, d_head=4, d_vocab=5)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (dict(n_layers=0), "n_layers=0"),
        (dict(n_layers=True), "n_layers=True"),
        (dict(d_model=8.0), "d_model=8.0"),
        (dict(d_head=0), "d_head=0"),
        (dict(d_head=16), "n_heads=0"),
        (dict(n_ctx="4"), "n_ctx='4'"),
        (dict(d_vocab=-1), "d_vocab=-1"),
        (dict(d_mlp=0), "d_mlp=0"),
        (dict(act_fn="tanh"), "Give one of gelu_new, gelu, relu, silu"),
        (dict(eps=0.0), "above 0"),
        (dict(init_range=-1.0), "above 0"),
        (dict(attn_types=["global", "lokal"]), "'global' and 'local'"),
        (dict(attn_types=["global"]), "has 1 entries"),
        (dict(attn_types=["global", "local"]), "window_size"),
        (dict(attn_types=["local", "local"], window_size=0), "window_size"),
    ],
)
def test_every_wrong_configuration_has_its_message(changed, words):
    with pytest.raises(ConfigError) as caught:
        HookedTransformerConfig(**(GOOD | changed))
    assert words in str(caught.value)


def test_what_is_left_out_is_as_in_gpt2():
    cfg = HookedTransformerConfig(**GOOD)
    assert (cfg.n_heads, cfg.d_mlp) == (2, 32)
    assert (cfg.act_fn, cfg.use_attn_scale, cfg.attn_only) == ("gelu_new", True, False)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (dict(d_model="8"), "d_model='8'"),
        (dict(d_head="4"), "d_head='4'"),
        (dict(n_heads="2"), "n_heads='2'"),
        (dict(n_heads=0), "n_heads=0"),
        (dict(d_model=None), "d_model=None"),
        (dict(eps="small"), "eps='small'"),
        (dict(eps=float("nan")), "eps=nan"),
        (dict(eps=float("inf")), "eps=inf"),
        (dict(eps=True), "eps=True"),
        (dict(init_range=0), "init_range=0"),
        (dict(init_range=float("inf")), "init_range=inf"),
        (dict(use_attn_scale="false"), "use_attn_scale='false'"),
        (dict(attn_only=1), "attn_only=1"),
        (dict(act_fn=["relu"]), "act_fn=['relu']"),
        (dict(act_fn=None), "act_fn=None"),
        (dict(window_size=2.5), "window_size=2.5"),
        (dict(window_size=True), "window_size=True"),
        (dict(attn_types="local"), "attn_types='local'"),
        (dict(attn_types=[["global"], "local"]), "'global' and 'local'"),
        (dict(attn_types=7), "attn_types=7"),
        (dict(seed="0"), "seed='0'"),
        (dict(seed=2**70), "2**63"),
        (dict(n_layer=2), "Nearest: 'n_layers'"),
        (dict(normalization_type="RMS"), "Give 'LN', or leave it out"),
        (dict(normalization_type=None), "Give 'LN', or leave it out"),
        (dict(positional_embedding_type="rotary"), "'standard'"),
        (dict(attention_dir="bidirectional"), "'causal'"),
        (dict(parallel_attn_mlp=True), "parallel_attn_mlp=True"),
        (dict(gated_mlp=True), "gated_mlp=True"),
        (dict(use_local_attn=True), "use_local_attn=True"),
        (dict(n_key_value_heads=1), "None or 2"),
        (dict(d_vocab_out=7), "-1 or 5"),
        (dict(attn_scale=1.0), "attn_scale=1.0"),
        (dict(device="cuda"), "device='cuda'"),
        (dict(init_range=0.02, initializer_range=0.1), "two names"),
        (dict(initializer_range=0), "init_range=0"),
    ],
)
def test_what_has_the_wrong_type_or_is_not_to_be_had_is_named(changed, words):
    with pytest.raises(ConfigError) as caught:
        HookedTransformerConfig(**(GOOD | changed))
    assert words in str(caught.value)


def test_settings_of_transformerlens_that_say_the_same_are_accepted():
    plain = HookedTransformerConfig(**GOOD)
    said = HookedTransformerConfig(
        **GOOD,
        n_heads=-1,
        normalization_type="LN",
        positional_embedding_type="standard",
        attention_dir="causal",
        attn_scale=2.0,
        d_vocab_out=5,
        n_key_value_heads=2,
        use_local_attn=False,
        gated_mlp=False,
        rotary_base=10000,
        model_name="custom",
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    assert said == plain
    assert HookedTransformerConfig(**GOOD, attn_only=True, act_fn=None).act_fn == "gelu_new"
    local = GOOD | dict(attn_types=("global", "local"), window_size=3, use_local_attn=True)
    assert HookedTransformerConfig(**local).attn_types == ["global", "local"]


def test_the_first_weights_spread_has_transformerlenss_name_too():
    assert HookedTransformerConfig(**GOOD, initializer_range=0.1).init_range == 0.1
    assert HookedTransformerConfig(**GOOD, initializer_range=-1.0).init_range == 0.8 / 8**0.5
    assert HookedTransformerConfig(**GOOD).init_range == 0.02


def test_a_configuration_survives_asdict_replace_copy_and_pickle():
    cfg = HookedTransformerConfig(**GOOD, attn_types=["global", "local"], window_size=2)
    for again in (
        HookedTransformerConfig(**asdict(cfg)),
        replace(cfg),
        copy.deepcopy(cfg),
        pickle.loads(pickle.dumps(cfg)),
    ):
        assert again == cfg
    wider = replace(cfg, d_model=16)
    assert (wider.n_heads, wider.d_mlp) == (2, 32)  # what was worked out once stays
