"""Laws of a frozen normalisation: linear, with or without centring, and carried back rightly."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from minicache import ActivationCache
from minicache.analysis.frozen_norm import FrozenNorm, normalise
from minicache.errors import ConfigError
from tests.worlds import RUNS, assert_close, random_model, run, tokens


def a_norm(centred, dtype=torch.float64):
    weight, bias = torch.randn(6, dtype=dtype), torch.randn(6, dtype=dtype)
    return FrozenNorm(weight, bias, torch.rand(2, 3, 1, dtype=dtype) + 0.5, centred)


@given(centred=st.booleans(), seed=st.integers(0, 99))
def test_it_is_linear_and_carrying_back_reads_the_same(centred, seed):
    torch.manual_seed(seed)
    norm = a_norm(centred)
    stack, direction = torch.randn(4, 2, 3, 6).double(), torch.randn(6).double()
    image = norm.apply(stack)
    assert_close(image.sum(0), norm.apply(stack.sum(0, keepdim=True))[0])
    carried = norm.carry_back(direction)
    assert_close(image @ direction, stack @ carried / norm.scale[..., 0])


@given(centred=st.booleans())
def test_in_place_gives_the_same_and_apply_leaves_its_input(centred):
    norm = a_norm(centred)
    stack = torch.randn(4, 2, 3, 6).double()
    before = stack.clone()
    image = norm.apply(stack)
    assert torch.equal(stack, before)
    assert norm.apply_(stack) is stack
    assert torch.equal(stack, image)


@given(one=RUNS)
def test_the_whole_stream_goes_to_what_the_layernorm_gave_less_its_bias(one):
    norm = FrozenNorm.on_run(one.cache, "ln_final")
    stream = one.cache["resid_post", -1]
    gave = one.cache["ln_final.hook_normalized"] * one.model.ln_final.w.detach()
    assert_close(norm.apply(stream[None])[0], gave)
    assert_close(gave + norm.bias, normalise(one.model.ln_final, stream))


def test_states_of_their_own_scale_go_through_an_rmsnorm_as_torch_has_it():
    norm = random_model(dtype=torch.float32).ln_final
    norm.centred = False
    states = torch.randn(3, 10)
    theirs = nn.RMSNorm(10, eps=norm.eps)
    theirs.weight.data = norm.w.data
    assert_close(normalise(norm, states), (theirs(states) + norm.b).detach())


def test_it_cannot_be_changed():
    with pytest.raises(AttributeError):
        a_norm(True).centred = False


def with_norms_behind():
    """A run of a model that has a normalisation behind attention and MLP, and none that centres."""
    one = run(random_model(), tokens(2, 4))
    entries = dict(one.cache)
    model = one.model
    stream = entries["blocks.0.hook_resid_pre"]
    for block in range(2):
        for writer, name in (("attn", "ln1_post"), ("mlp", "ln2_post")):
            norm = SimpleNamespace(w=torch.randn(10).double(), b=torch.randn(10).double())
            norm.eps, norm.centred = 1e-5, False
            model.mod_dict[f"blocks.{block}.{name}"] = norm
            wrote = entries[f"blocks.{block}.hook_{writer}_out"]
            scale = (wrote.pow(2).mean(-1, keepdim=True) + norm.eps).sqrt()
            wrote = wrote / scale * norm.w + norm.b
            entries[f"blocks.{block}.{name}.hook_scale"] = scale
            entries[f"blocks.{block}.hook_{writer}_out"] = wrote
            stream = stream + wrote
        entries[f"blocks.{block}.hook_resid_post"] = stream
    model.ln_final.centred = False
    entries["ln_final.hook_scale"] = (stream.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
    return model, ActivationCache(entries, model), stream


def test_norms_behind_attention_and_mlp_and_norms_without_centring_keep_the_laws():
    model, cache, stream = with_norms_behind()
    assert_close(cache.decompose_resid().sum(0), stream)
    assert_close(cache.get_full_resid_decomposition().sum(0), stream)
    assert_close(cache.get_full_resid_decomposition(expand_neurons=False).sum(0), stream)
    normed = normalise(model.ln_final, stream)
    logits = (normed @ model.W_U + model.b_U).detach()[..., 3]
    for stack in (cache.decompose_resid(), cache.get_full_resid_decomposition()):
        assert_close(cache.logit_attrs(stack, 3).sum(0) + cache.logit_constant(3), logits)
    heads, neurons = cache.stack_head_results(), cache.stack_neuron_results(None)
    assert_close(cache.head_logit_attrs(3), cache.logit_attrs(heads, 3))
    assert_close(cache.neuron_logit_attrs(3), cache.logit_attrs(neurons, 3))
    onto = torch.randn(10, 2).double()
    built = cache.get_full_resid_decomposition(apply_ln=True) @ onto
    direct = cache.get_full_resid_decomposition(apply_ln=True, project_output_onto=onto)
    assert_close(direct, built)


def test_a_block_without_a_place_before_its_mlp_says_so():
    cache = run(random_model(attn_only=True), tokens(2, 4)).cache
    for method in (cache.decompose_resid, cache.accumulated_resid, cache.apply_ln_to_stack):
        arguments = (cache.decompose_resid(),) if method == cache.apply_ln_to_stack else ()
        with pytest.raises(ConfigError, match="no place between"):
            method(*arguments, layer=0, mlp_input=True)
