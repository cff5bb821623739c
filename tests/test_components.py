"""Laws of heads and neurons: they, and biases, sum to what their layer wrote."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minicache import HookedTransformer, HookedTransformerConfig
from minicache.errors import ConfigError
from minicache.slices import Slice
from tests.worlds import (
    RUNS,
    assert_close,
    axis_slices,
    normed,
    places,
    random_model,
    run,
    stream,
    tokens,
)


@given(where=places())
def test_the_full_decomposition_sums_to_the_stream(where):
    one, place, mlp_input = where
    for expand in (True, False):
        stack, labels = one.cache.get_full_resid_decomposition(
            place, mlp_input, expand, return_labels=True
        )
        assert len(stack) == len(labels) == len(set(labels))
        assert_close(stack.sum(0), stream(one, place, mlp_input))


@given(one=RUNS)
def test_heads_and_bias_sum_to_attn_out_and_neurons_and_bias_to_mlp_out(one):
    heads = one.cache.stack_head_results()
    for layer, block in enumerate(one.model.blocks):
        n_heads = one.model.cfg.n_heads
        own = heads[layer * n_heads : (layer + 1) * n_heads]
        assert_close(own.sum(0) + block.attn.b_O.detach(), one.cache["attn_out", layer])
        if block.mlp is not None:
            neurons = one.cache.get_neuron_results(layer)
            assert_close(neurons.sum(-2) + block.mlp.b_out.detach(), one.cache["mlp_out", layer])


@given(one=RUNS, data=st.data())
def test_a_remainder_makes_heads_or_neurons_sum_to_the_stream(one, data):
    place = data.draw(st.integers(0, one.model.cfg.n_layers))
    for stack in (one.cache.stack_head_results, one.cache.stack_neuron_results):
        rows, labels = stack(place, incl_remainder=True, return_labels=True)
        assert labels[-1] == "remainder"
        assert_close(rows.sum(0), stream(one, place))
        scaled = stack(place, incl_remainder=True, apply_ln=True)
        assert_close(scaled.sum(0), normed(one, place))


@given(where=places(), columns=st.none() | st.integers(1, 3), data=st.data())
def test_projecting_first_is_projecting_afterwards(where, columns, data):
    one, place, mlp_input = where
    onto = torch.randn(10, *([] if columns is None else [columns]), dtype=one.logits.dtype)
    ln = data.draw(st.booleans())
    for expand in (True, False):
        options = dict(layer=place, mlp_input=mlp_input, expand_neurons=expand, apply_ln=ln)
        built = one.cache.get_full_resid_decomposition(**options) @ onto
        direct = one.cache.get_full_resid_decomposition(**options, project_output_onto=onto)
        assert_close(direct, built)
    options = dict(apply_ln=ln, incl_remainder=True)
    built = one.cache.stack_neuron_results(place, **options) @ onto
    assert_close(one.cache.stack_neuron_results(place, project_output_onto=onto, **options), built)
    if not one.model.cfg.attn_only:
        built = one.cache.get_neuron_results(0, (2, 5), -1) @ onto
        assert_close(one.cache.get_neuron_results(0, (2, 5), -1, onto), built)


@given(one=RUNS)
def test_no_analysis_changes_the_cache_or_gives_out_its_memory(one):
    before = {name: (tensor, tensor.clone()) for name, tensor in one.cache.items()}
    results = [
        one.cache.decompose_resid(apply_ln=True),
        one.cache.accumulated_resid(apply_ln=True),
        one.cache.stack_head_results(apply_ln=True, incl_remainder=True),
        one.cache.stack_neuron_results(-1, apply_ln=True, incl_remainder=True),
        one.cache.get_full_resid_decomposition(apply_ln=True),
        one.cache.head_logit_attrs(3),
        one.cache.neuron_logit_attrs(3),
        one.cache.decompose_resid(0),
    ]
    for result in results:
        assert not result.requires_grad
        result.zero_()
    assert list(one.cache) == list(before)
    for name, (tensor, value) in before.items():
        assert one.cache[name] is tensor
        assert torch.equal(tensor, value)


@given(one=RUNS)
def test_nothing_to_stack_gives_an_empty_stack_of_the_right_shape(one):
    shape = (0, *one.cache["embed"].shape)
    assert one.cache.decompose_resid(0, incl_embeds=False).shape == shape
    assert one.cache.decompose_resid(0, incl_embeds=False, apply_ln=True).shape == shape
    assert one.cache.stack_head_results(0).shape == shape
    assert one.cache.stack_neuron_results(0).shape == shape
    assert one.cache.head_logit_attrs(3, layer=0).shape == shape[:-1]
    assert one.cache.neuron_logit_attrs(3, layer=0).shape == shape[:-1]
    only_last = one.cache.decompose_resid(0, incl_embeds=False, pos_slice=-1)
    assert only_last.shape == (*shape[:-2], 10)


def test_labels_stand_in_the_order_of_the_rows():
    cache = run(random_model(2, n_heads=2), tokens(1, 3)).cache
    stack, labels = cache.decompose_resid(1, mlp_input=True, return_labels=True)
    assert labels == ["embed", "pos_embed", "0_attn_out", "0_mlp_out", "1_attn_out"]
    assert torch.equal(stack[2], cache["attn_out", 0])
    assert torch.equal(stack[4], cache["attn_out", 1])
    _, labels = cache.get_full_resid_decomposition(1, return_labels=True)
    assert labels[:4] == ["L0H0", "L0H1", "L0N0", "L0N1"]
    assert labels[-3:] == ["embed", "pos_embed", "bias"]
    _, labels = cache.get_full_resid_decomposition(1, True, False, return_labels=True)
    heads = ["L0H0", "L0H1", "L1H0", "L1H1"]
    assert labels == [*heads, "0_mlp_out", "embed", "pos_embed", "bias"]


def test_an_attn_only_model_has_no_neurons_to_give():
    cache = run(random_model(attn_only=True), tokens(2, 3)).cache
    with pytest.raises(ConfigError, match="attn_only"):
        cache.get_neuron_results(0)
    assert cache.decompose_resid(mode="mlp", incl_embeds=False).shape == (0, 2, 3, 10)
    _, labels = cache.accumulated_resid(incl_mid=True, return_labels=True)
    assert labels == ["0_pre", "1_pre", "final_post"]


@given(one=RUNS, data=st.data())
def test_a_remainder_at_some_positions_is_the_remainder_cut_to_them(one, data):
    cut = data.draw(axis_slices(one.tokens.shape[-1]))
    onto = data.draw(st.sampled_from([None, torch.randn(10, dtype=one.logits.dtype)]))
    whole = one.cache.stack_neuron_results(None, incl_remainder=True, project_output_onto=onto)
    part = one.cache.stack_neuron_results(
        None, pos_slice=cut, incl_remainder=True, project_output_onto=onto
    )
    assert_close(part, Slice(cut).apply(whole, dim=-2 if onto is None else -1))


@pytest.mark.parametrize("one_neuron", [3, Slice(3), [3], (3, 4)], ids=repr)
def test_one_neuron_of_each_block_is_a_row_for_each_block(one_neuron):
    cache = run(random_model(), tokens(2, 4)).cache
    stack, labels = cache.stack_neuron_results(None, neuron_slice=one_neuron, return_labels=True)
    assert labels == ["L0N3", "L1N3"]
    assert_close(stack[1], cache.get_neuron_results(1, 3))
    attrs, labels = cache.neuron_logit_attrs(3, neuron_slice=one_neuron, return_labels=True)
    assert labels == ["L0N3", "L1N3"]
    assert_close(attrs, cache.logit_attrs(stack, 3))


def test_no_neuron_of_any_block_is_an_empty_stack():
    cache = run(random_model(), tokens(2, 4)).cache
    assert cache.stack_neuron_results(None, neuron_slice=[]).shape == (0, 2, 4, 10)
    assert cache.get_neuron_results(0, []).shape == (2, 4, 0, 10)
    assert cache.neuron_logit_attrs(3, neuron_slice=[]).shape == (0, 2, 4)


@pytest.mark.parametrize(
    "onto",
    [3, "W_U", [0.0] * 10, torch.zeros(9), torch.tensor(1.0), torch.ones(10, 1, 1)],
    ids=lambda onto: str(getattr(onto, "shape", onto))[:20],
)  # fmt: skip
def test_a_projection_of_another_shape_is_refused_everywhere(onto):
    cache = run(random_model(), tokens(2, 4)).cache
    for call in (
        lambda: cache.get_neuron_results(0, project_output_onto=onto),
        lambda: cache.stack_neuron_results(None, project_output_onto=onto),
        lambda: cache.stack_neuron_results(0, project_output_onto=onto, apply_ln=True),
        lambda: cache.get_full_resid_decomposition(project_output_onto=onto),
        lambda: cache.get_full_resid_decomposition(expand_neurons=False, project_output_onto=onto),
    ):
        with pytest.raises(ConfigError, match="project_output_onto is a tensor"):
            call()


def test_a_projection_onto_a_weight_counts_as_a_constant():
    one = run(random_model(), tokens(2, 4))
    onto = one.model.W_U[:, :3]  # it asks for a gradient
    result = one.cache.get_full_resid_decomposition(project_output_onto=onto)
    assert not result.requires_grad
    assert_close(result, one.cache.get_full_resid_decomposition() @ onto.detach())


@pytest.mark.parametrize("shape", [{"d_head": 1}, {"d_head": 1, "n_heads": 1}, {"d_mlp": 1}])
def test_sizes_of_one_are_sizes(shape):
    cfg = {"n_layers": 2, "d_model": 6, "n_ctx": 5, "d_head": 2, "d_vocab": 7, "seed": 0} | shape
    one = run(HookedTransformer(HookedTransformerConfig(**cfg)).double(), tokens(2, 4) % 7)
    assert_close(one.cache.get_full_resid_decomposition().sum(0), one.cache["resid_post", -1])
    stack = one.cache.stack_head_results()
    assert_close(one.cache.head_logit_attrs(3), one.cache.logit_attrs(stack, 3))
