"""The laws, on random models of every kind of decoder that `transformers` has.

A family needs no code: try one that is not in the list by adding its name.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import minicache
from minicache import ActivationCache
from minicache.bridge import WrappedModel
from minicache.errors import ConfigError
from tests.bridge.families import tiny_model

# Every part of each is offered.
WHOLE = """
    apertus arcee biogpt bitnet bloom codegen cohere cohere2 ctrl deepseek_v3 ernie4_5 exaone4
    falcon gemma gemma2 gemma3_text glm glm4 gpt2 gpt_bigcode gpt_neo gpt_neox gptj granite helium
    hunyuan_v1_dense internlm3 jais2 lfm2 llama ministral mistral moshi mpt nemotron olmo olmo2
    olmo3 opt persimmon phi phi3 qwen2 qwen3 seed_oss smollm3 stablelm starcoder2 vaultgemma
""".split()
# Several MLPs a block, of which a router picks: no neurons.
EXPERTS = "flex_olmo gpt_oss granitemoe mixtral olmoe phimoe qwen2_moe qwen3_moe".split()
# Some layers mix positions otherwise than by attention: no heads there.
MIXED = "bamba falcon_h1 falcon_mamba jamba mamba recurrent_gemma diffllama".split()
FAMILIES = sorted([*WHOLE, *EXPERTS, *MIXED])


class World(NamedTuple):
    wrapped: WrappedModel
    tokens: Tensor
    plain: Any
    logits: Tensor
    cache: ActivationCache


@cache
def world(family: str) -> World:
    wrapped = minicache.wrap(tiny_model(family))
    tokens = torch.randint(3, 67, (2, 9), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        plain = wrapped.model(tokens, use_cache=False, output_hidden_states=True)
        logits, cache = wrapped.run_with_cache(tokens)
    return World(wrapped, tokens, plain, logits, cache)


def assert_near(actual: Tensor, expected: Tensor) -> None:
    """Norms of `transformers` work in float32 whatever the model's dtype: 1e-5, not 1e-10."""
    off = (actual - expected).abs().max() / expected.abs().max()
    assert off <= 1e-5, f"off by {off:.1e}"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_with_a_cache_gives_the_models_own_logits_bit_for_bit(family: str) -> None:
    given = world(family)
    assert torch.equal(given.logits, given.plain.logits)
    assert torch.equal(given.wrapped(given.tokens), given.plain.logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_sum_to_the_stream_at_every_place(family: str) -> None:
    cache = world(family).cache
    for layer in range(cache.model.cfg.n_layers):
        assert_near(cache.decompose_resid(layer).sum(0), cache["resid_pre", layer])
        if f"blocks.{layer}.hook_resid_mid" in cache:
            parts = cache.decompose_resid(layer, mlp_input=True)
            assert_near(parts.sum(0), cache["resid_mid", layer])
    assert_near(cache.decompose_resid().sum(0), cache["resid_post", -1])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stream_is_what_transformers_calls_hidden_states(family: str) -> None:
    given = world(family)
    states = given.plain.hidden_states
    before = [given.cache["resid_pre", layer] for layer in range(given.wrapped.cfg.n_layers)]
    behind = [given.cache["resid_post", layer] for layer in range(given.wrapped.cfg.n_layers)]
    streams = before if torch.equal(states[0], before[0]) else behind  # Mamba lists what is behind
    for state, stream in zip(states, streams[:-1], strict=False):
        assert torch.equal(state, stream)


@pytest.mark.parametrize("family", FAMILIES)
def test_attributions_of_the_parts_sum_to_the_logits(family: str) -> None:
    given = world(family)
    targets = given.tokens.roll(-1, 1)
    attributions = given.cache.logit_attrs(given.cache.decompose_resid(), targets)
    logits = given.cache["unembed.hook_out"]  # before a soft cap, where there is one
    expected = logits.gather(-1, targets[..., None])[..., 0]
    assert_near(attributions.sum(0) + given.cache.logit_constant(targets), expected)


@pytest.mark.parametrize("family", [*WHOLE, *EXPERTS])
def test_heads_and_biases_sum_to_what_attention_wrote(family: str) -> None:
    cache = world(family).cache
    parts = cache.get_full_resid_decomposition(expand_neurons=False)
    assert_near(parts.sum(0), cache["resid_post", -1])


@pytest.mark.parametrize("family", WHOLE)
def test_heads_and_neurons_and_biases_sum_to_the_stream(family: str) -> None:
    cache = world(family).cache
    assert_near(cache.get_full_resid_decomposition().sum(0), cache["resid_post", -1])


@pytest.mark.parametrize("family", [*WHOLE, *EXPERTS])
def test_fused_attributions_of_heads_are_those_of_the_stack(family: str) -> None:
    given = world(family)
    targets = given.tokens.roll(-1, 1)
    stack = given.cache.stack_head_results()
    assert_near(given.cache.head_logit_attrs(targets), given.cache.logit_attrs(stack, targets))


@pytest.mark.parametrize("family", [*WHOLE, *EXPERTS])
def test_the_pattern_mixes_values_into_z(family: str) -> None:
    """Where nothing stands between: no gate and no norm."""
    if family == "bitnet":
        pytest.skip("a norm stands between the mixed values and z")
    cache = world(family).cache
    for layer in range(cache.model.cfg.n_layers):
        if f"blocks.{layer}.attn.hook_z" not in cache:
            continue  # LFM2's convolutions
        pattern, v, z = (cache[name, layer] for name in ("pattern", "v", "z"))
        v = v.repeat_interleave(pattern.shape[1] // v.shape[2], 2)
        assert_near(torch.einsum("bhqk,bkhd->bqhd", pattern.to(v), v), z)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_become_the_pattern(family: str) -> None:
    if family == "gpt_oss":
        pytest.skip("a part of its attention goes to a sink, which is no key")
    cache = world(family).cache
    for layer in range(cache.model.cfg.n_layers):
        if f"blocks.{layer}.attn.hook_pattern" in cache:
            scores = cache["attn_scores", layer]
            assert_near(scores.softmax(-1), cache["pattern", layer])
            assert torch.equal(scores == -torch.inf, cache["pattern", layer] == 0)
            assert torch.equal(
                cache["pattern", layer].triu(1), torch.zeros_like(cache["pattern", layer])
            )


@pytest.mark.parametrize("family", FAMILIES)
def test_replacing_every_activation_by_a_copy_of_itself_changes_nothing(family: str) -> None:
    given = world(family)
    with torch.no_grad():
        logits = given.wrapped.run_with_hooks(
            given.tokens, fwd_hooks=[(lambda name: True, lambda tensor, hook: tensor.clone())]
        )
    assert_near(logits, given.logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_not_offered_is_refused_by_name(family: str) -> None:
    wrapped = world(family).wrapped
    assert bool(wrapped.refused) == (family not in [*WHOLE]) or family == "lfm2"
    for name, reason in wrapped.refused.items():
        assert name not in wrapped.hook_dict
        assert reason


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        ("bert", "normalises or scales"),
        ("openai-gpt", "normalises or scales"),
        ("xlnet", "One vector for each token"),
        ("doge", "normalises or scales"),
        ("gemma4_text", "normalises or scales"),
        ("t5", "encoder"),
    ],
)
def test_a_stream_that_is_no_sum_is_refused_with_the_reason(family: str, reason: str) -> None:
    if family == "t5":
        from transformers import T5Config, T5ForConditionalGeneration

        config = T5Config(vocab_size=67, d_model=24, d_kv=6, d_ff=36, num_layers=1, num_heads=4)
        model = T5ForConditionalGeneration(config)
    else:
        model = tiny_model(family)
    with pytest.raises(ConfigError, match=reason):
        minicache.wrap(model)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
