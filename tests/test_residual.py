"""Laws of the stream: it is the sum of its parts at every place, at both precisions.

The models are unprocessed: every LayerNorm has a random weight and bias, every bias is random.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minicache.errors import ConfigError, LayerRangeError, MissingActivationError, TokenError
from minicache.slices import Slice
from tests.worlds import (
    RUNS,
    assert_close,
    axis_slices,
    normed,
    places,
    random_model,
    run,
    runs,
    stream,
    tokens,
)


@given(where=places())
def test_embeddings_and_all_outputs_before_a_place_sum_to_the_stream_there(where):
    one, place, mlp_input = where
    stack, labels = one.cache.decompose_resid(place, mlp_input, return_labels=True)
    assert len(stack) == len(labels)
    assert_close(stack.sum(0), stream(one, place, mlp_input))
    attn = one.cache.decompose_resid(place, mlp_input, mode="attn")
    mlp = one.cache.decompose_resid(place, mlp_input, mode="mlp", incl_embeds=False)
    assert_close(attn.sum(0) + mlp.sum(0), stream(one, place, mlp_input))


@given(where=places())
def test_scaled_components_sum_to_what_the_layernorm_gives_less_its_bias(where):
    one, place, mlp_input = where
    expected = normed(one, place, mlp_input)
    assert_close(one.cache.decompose_resid(place, mlp_input, apply_ln=True).sum(0), expected)
    for expand in (True, False):
        full = one.cache.get_full_resid_decomposition(place, mlp_input, expand, apply_ln=True)
        assert_close(full.sum(0), expected)


@given(where=places())
def test_accumulated_states_are_the_streams_own(where):
    one, place, mlp_input = where
    incl_mid = not one.model.cfg.attn_only
    stack, labels = one.cache.accumulated_resid(
        place, incl_mid=True, mlp_input=mlp_input, return_labels=True
    )
    expected = {}
    for block in range(one.model.cfg.n_layers):
        expected[f"{block}_pre"] = one.cache["resid_pre", block]
        if incl_mid:
            expected[f"{block}_mid"] = one.cache["resid_mid", block]
    expected["final_post"] = one.cache["resid_post", -1]
    last = f"{place}_mid" if mlp_input else f"{place}_pre"
    last = last if last in expected else "final_post"
    assert labels == list(expected)[: list(expected).index(last) + 1]
    for label, state in zip(labels, stack, strict=True):
        assert torch.equal(state, expected[label])


@given(one=RUNS)
def test_the_logit_lens_normalises_each_state_with_its_own_statistics(one):
    lens = one.cache.accumulated_resid(apply_ln=True)
    with torch.no_grad():
        for row, state in zip(lens, one.cache.accumulated_resid(), strict=True):
            assert_close(row, one.model.ln_final(state))
        assert_close(one.model.unembed(lens[-1]), one.logits)


@given(where=places())
def test_states_before_an_earlier_place_are_scaled_as_the_run_scaled_there(where):
    one, place, mlp_input = where
    if place < one.model.cfg.n_layers:
        states = one.cache.accumulated_resid(place, apply_ln=True, mlp_input=mlp_input)
        assert_close(states[-1], normed(one, place, mlp_input))


@given(one=RUNS)
def test_layer_indexes_the_places_as_a_list_is_indexed(one):
    n_layers = one.model.cfg.n_layers
    for place in range(n_layers + 1):
        for method in (
            one.cache.decompose_resid,
            one.cache.accumulated_resid,
            one.cache.stack_head_results,
            one.cache.get_full_resid_decomposition,
        ):
            assert torch.equal(method(place), method(place - n_layers - 1))
    for outside in (n_layers + 1, -n_layers - 2):
        with pytest.raises(LayerRangeError, match=f"layer={outside} was asked for"):
            one.cache.decompose_resid(outside)
    with pytest.raises(LayerRangeError, match="no MLP follows"):
        one.cache.decompose_resid(-1, mlp_input=True)


@given(one=RUNS, data=st.data())
def test_slicing_positions_then_decomposing_is_decomposing_then_slicing(one, data):
    pos = one.tokens.shape[-1]
    cut = data.draw(axis_slices(pos))
    ln = data.draw(st.booleans())
    for method in (
        one.cache.decompose_resid,
        one.cache.accumulated_resid,
        one.cache.stack_head_results,
        one.cache.get_full_resid_decomposition,
    ):
        whole = Slice(cut).apply(method(apply_ln=ln), dim=-2)
        assert_close(method(pos_slice=cut, apply_ln=ln), whole)
    whole = Slice(cut).apply(one.cache.stack_neuron_results(-1, apply_ln=ln), dim=-2)
    assert_close(one.cache.stack_neuron_results(-1, cut, apply_ln=ln), whole)


@given(one=RUNS, data=st.data())
def test_slicing_the_batch_then_decomposing_is_decomposing_then_slicing(one, data):
    if not one.cache.has_batch_dim:
        return
    cut = data.draw(axis_slices(one.tokens.shape[0]))
    part = one.cache.apply_slice_to_batch_dim(cut)
    for name in ("decompose_resid", "stack_head_results", "get_full_resid_decomposition"):
        whole = getattr(one.cache, name)()
        assert_close(getattr(part, name)(), Slice(cut).apply(whole, dim=1))
    whole = one.cache.decompose_resid()
    scaled = one.cache.apply_ln_to_stack(whole, batch_slice=cut)
    assert_close(scaled, part.decompose_resid(apply_ln=True))
    of_part = part.logit_attrs(part.decompose_resid(), 3, has_batch_dim=part.has_batch_dim)
    assert_close(one.cache.logit_attrs(whole, 3, batch_slice=cut), of_part)


@pytest.mark.parametrize(
    ("analysis", "arguments"),
    [
        ("accumulated_resid", ()),
        ("decompose_resid", ()),
        ("stack_head_results", ()),
        ("get_full_resid_decomposition", ()),
        ("head_logit_attrs", (3,)),
        ("neuron_logit_attrs", (3,)),
    ],
)
def test_an_analysis_goes_to_the_end_unless_told_otherwise(analysis, arguments):
    model = random_model(3)
    method = getattr(run(model, tokens(2, 3)).cache, analysis)
    whole, labels = method(*arguments, layer=3, return_labels=True)
    default, same = method(*arguments, return_labels=True)
    assert torch.equal(default, whole)
    assert same == labels


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda c: c.decompose_resid(mode="al"), ConfigError, "'all', 'attn' or 'mlp'"),
        (lambda c: c.get_neuron_results(9), LayerRangeError, "Layer 9"),
        (lambda c: c.stack_neuron_results(1, project_output_onto=torch.zeros(3)), ConfigError,
         r"\(3,\)"),
        (lambda c: c.stack_neuron_results(1, project_output_onto=3), ConfigError, "not int"),
        (lambda c: c.logit_attrs(c.decompose_resid(), torch.zeros(4, dtype=torch.long)), TokenError,
         r"\(4,\) do not fit .*\(2, 3\)"),
        (lambda c: c.logit_attrs(c.decompose_resid(), 1, torch.tensor([1, 2])), TokenError,
         "different shapes"),
        (lambda c: c.head_logit_attrs(99), TokenError, "0 to 10"),
        (lambda c: c.head_logit_attrs(1.5), TokenError, "ints"),
        (lambda c: c.head_logit_attrs("Mary"), TokenError, "no tokenizer"),
    ],
)  # fmt: skip
def test_mistakes_raise_with_words_that_help(call, kind, words):
    with pytest.raises(kind, match=words):
        call(run(random_model(), tokens(2, 3)).cache)


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        (lambda c: c.decompose_resid(), "hook_pos_embed"),
        (lambda c: c.decompose_resid(0, incl_embeds=False, apply_ln=True), "ln1.hook_scale"),
        (lambda c: c.stack_head_results(), "blocks.0.attn.hook_z"),
        (lambda c: c.head_logit_attrs(3), "blocks.0.attn.hook_z"),
        (lambda c: c.stack_neuron_results(1), "blocks.0.mlp.hook_post"),
        (lambda c: c.accumulated_resid(1), "blocks.0.hook_resid_pre"),
    ],
)
def test_a_filtered_cache_names_what_is_missing(call, missing):
    cache = run(random_model(), tokens(2, 3), names_filter="hook_embed").cache
    with pytest.raises(MissingActivationError, match=missing):
        call(cache)


def test_an_empty_cache_names_what_an_empty_stack_would_need():
    cache = run(random_model(), tokens(2, 3), names_filter="ln_final.hook_scale").cache
    with pytest.raises(MissingActivationError, match="hook_embed"):
        cache.decompose_resid(0, incl_embeds=False)


@given(one=runs())
def test_positions_cut_while_caching_are_positions_cut_afterwards(one):
    if not one.cache.has_batch_dim:
        return
    part = run(one.model, one.tokens, pos_slice=(1, None)).cache
    whole = one.cache.get_full_resid_decomposition(apply_ln=True)[..., 1:, :]
    assert_close(part.get_full_resid_decomposition(apply_ln=True), whole)
    assert_close(part.head_logit_attrs(3), one.cache.head_logit_attrs(3)[..., 1:])


@given(one=RUNS)
def test_whole_states_can_be_normalised_each_with_its_own_statistics(one):
    states = one.cache.accumulated_resid()
    lens = one.cache.apply_ln_to_stack(states, recompute_ln=True)
    assert_close(lens, one.cache.accumulated_resid(apply_ln=True))
    if one.cache.has_batch_dim:
        first = one.cache.apply_ln_to_stack(states, batch_slice=0, recompute_ln=True)
        assert_close(first, lens[:, 0])


def test_an_empty_stack_takes_its_shape_from_an_entry_of_the_stream_whatever_else_is_there():
    cache = run(random_model(), tokens(2, 3), names_filter="blocks.1.hook_resid_mid").cache
    cache.cache_dict = {"hook_mine": torch.zeros(5), **cache.cache_dict}
    assert cache.decompose_resid(0, incl_embeds=False).shape == (0, 2, 3, 10)
