"""Laws of the arithmetic: everything adds up, in every corner, at both precisions.

The models are unprocessed: every LayerNorm has a random weight and bias, every bias is random.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minicache.errors import ConfigError, LayerRangeError, MissingActivationError, TokenError
from minicache.slices import Slice
from tests.worlds import Run, assert_close, axis_slices, random_model, run, runs, tokens

BOTH_DTYPES = st.sampled_from([torch.float32, torch.float64]).flatmap(lambda d: runs(dtype=d))


def stream(one: Run, place: int, mlp_input: bool = False) -> torch.Tensor:
    if place == one.model.cfg.n_layers:
        return one.cache["resid_post", -1]
    return one.cache["resid_mid" if mlp_input else "resid_pre", place]


def normed(one: Run, place: int, mlp_input: bool = False) -> torch.Tensor:
    """What the LayerNorm that reads the stream there made of it, less its bias."""
    if place == one.model.cfg.n_layers:
        return one.cache["ln_final.hook_normalized"] * one.model.ln_final.w
    name = "ln2" if mlp_input else "ln1"
    ln = getattr(one.model.blocks[place], name)
    return one.cache["normalized", place, name] * ln.w


@st.composite
def places(draw: st.DrawFn) -> tuple[Run, int, bool]:
    """A run, a place of its stream, and whether it is before an MLP."""
    one = draw(BOTH_DTYPES)
    mlp_input = draw(st.booleans()) and not one.model.cfg.attn_only
    return one, draw(st.integers(0, one.model.cfg.n_layers - mlp_input)), mlp_input


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
def test_the_full_decomposition_sums_to_the_stream(where):
    one, place, mlp_input = where
    for expand in (True, False):
        stack, labels = one.cache.get_full_resid_decomposition(
            place, mlp_input, expand, return_labels=True
        )
        assert len(stack) == len(labels) == len(set(labels))
        assert_close(stack.sum(0), stream(one, place, mlp_input))


@given(one=BOTH_DTYPES)
def test_heads_and_bias_sum_to_attn_out_and_neurons_and_bias_to_mlp_out(one):
    heads = one.cache.stack_head_results()
    for layer, block in enumerate(one.model.blocks):
        n_heads = one.model.cfg.n_heads
        own = heads[layer * n_heads : (layer + 1) * n_heads]
        assert_close(own.sum(0) + block.attn.b_O.detach(), one.cache["attn_out", layer])
        if block.mlp is not None:
            neurons = one.cache.get_neuron_results(layer)
            assert_close(neurons.sum(-2) + block.mlp.b_out.detach(), one.cache["mlp_out", layer])


@given(one=BOTH_DTYPES, data=st.data())
def test_a_remainder_makes_heads_or_neurons_sum_to_the_stream(one, data):
    place = data.draw(st.integers(0, one.model.cfg.n_layers))
    for stack in (one.cache.stack_head_results, one.cache.stack_neuron_results):
        rows, labels = stack(place, incl_remainder=True, return_labels=True)
        assert labels[-1] == "remainder"
        assert_close(rows.sum(0), stream(one, place))
        scaled = stack(place, incl_remainder=True, apply_ln=True)
        assert_close(scaled.sum(0), normed(one, place))


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


@given(one=BOTH_DTYPES)
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


@given(one=BOTH_DTYPES)
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


@given(one=BOTH_DTYPES, data=st.data())
def test_slicing_positions_then_decomposing_is_decomposing_then_slicing(one, data):
    pos = one.tokens.shape[-1]
    cut = data.draw(axis_slices(pos))
    ln = data.draw(st.booleans())
    from minicache import Slice

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


@given(one=BOTH_DTYPES, data=st.data())
def test_slicing_the_batch_then_decomposing_is_decomposing_then_slicing(one, data):
    if not one.cache.has_batch_dim:
        return
    from minicache import Slice

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


@given(one=BOTH_DTYPES, data=st.data())
def test_everything_and_the_constant_sum_to_the_logits(one, data):
    ids = data.draw(token_choices(one))
    wrong = data.draw(st.none() | token_choices(one, like=ids))
    cut = data.draw(st.none() | st.just(-1))
    if cut is not None and torch.as_tensor(ids).shape == one.tokens.shape:
        ids = ids[..., cut]
        wrong = None if wrong is None else wrong[..., cut]
    expected = logits_of(one, ids, cut)
    if wrong is not None:
        expected = expected - logits_of(one, wrong, cut)
    constant = one.cache.logit_constant(ids, wrong, pos_slice=cut)
    for stack in (
        one.cache.decompose_resid(pos_slice=cut),
        one.cache.get_full_resid_decomposition(pos_slice=cut),
        one.cache.stack_head_results(incl_remainder=True, pos_slice=cut),
    ):
        attrs = one.cache.logit_attrs(stack, ids, wrong, pos_slice=cut)
        assert_close(attrs.sum(0) + constant, expected)


@given(one=BOTH_DTYPES, data=st.data())
def test_fused_attribution_is_attribution_of_the_built_stack(one, data):
    ids = data.draw(token_choices(one))
    wrong = data.draw(st.none() | token_choices(one, like=ids))
    place = data.draw(st.integers(0, one.model.cfg.n_layers))
    neurons = data.draw(axis_slices(7))
    cut = data.draw(axis_slices(one.tokens.shape[-1]))
    if torch.as_tensor(ids).shape == one.tokens.shape:
        ids = Slice(cut).apply(ids, dim=-1)
        wrong = None if wrong is None else Slice(cut).apply(wrong, dim=-1)
    heads, names = one.cache.head_logit_attrs(ids, wrong, place, cut, return_labels=True)
    stack, labels = one.cache.stack_head_results(place, True, pos_slice=cut)
    assert names == labels
    assert_close(heads, one.cache.logit_attrs(stack, ids, wrong, pos_slice=cut))
    fused, names = one.cache.neuron_logit_attrs(ids, wrong, place, cut, neurons, return_labels=True)
    stack, labels = one.cache.stack_neuron_results(place, cut, neurons, return_labels=True)
    assert names == labels
    assert_close(fused, one.cache.logit_attrs(stack, ids, wrong, pos_slice=cut))


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


def test_one_position_of_a_run_without_a_batch_axis_has_a_share_of_each_row():
    cache = run(random_model(), tokens(1, 4)).cache
    whole = cache.head_logit_attrs(3)[:, 0, -1]
    alone = cache.remove_batch_dim()
    stack = alone.stack_head_results(pos_slice=-1)
    assert_close(alone.head_logit_attrs(3, pos_slice=-1), whole)
    assert_close(alone.logit_attrs(stack, 3, pos_slice=-1, has_batch_dim=False), whole)
    assert alone.logit_constant(3, pos_slice=-1).shape == ()


def token_choices(one: Run, like: object = None) -> st.SearchStrategy:
    """One token for all, or one for each item, or for each item and position."""
    lead = one.tokens.shape
    shapes = [()] + [lead[:n] for n in range(1, len(lead) + 1)]
    if like is not None:
        shapes = [torch.as_tensor(like).shape]
    return st.tuples(st.sampled_from(shapes), st.integers(0, 99)).map(
        lambda pick: torch.randint(
            11, tuple(pick[0]), generator=torch.Generator().manual_seed(pick[1])
        )
    )


def logits_of(one: Run, ids: torch.Tensor, cut: int | None) -> torch.Tensor:
    logits = one.logits if cut is None else one.logits[..., cut, :]
    lead = logits.shape[:-1]
    index = ids.reshape((*ids.shape, *[1] * (len(lead) - ids.ndim))).expand(lead)
    return logits.gather(-1, index[..., None])[..., 0]


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


@given(one=BOTH_DTYPES)
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


@given(one=BOTH_DTYPES)
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


def test_gradients_flow_through_a_stack_that_the_caller_hands_in():
    one = run(random_model(), tokens(2, 3))
    stack = one.cache.decompose_resid().requires_grad_()
    one.cache.logit_attrs(stack, 3).sum().backward()
    assert stack.grad.abs().sum() > 0


def test_a_cache_in_another_dtype_than_the_model_is_analysed_in_its_own():
    one = run(random_model(), tokens(2, 4))
    exact = one.cache.head_logit_attrs(3)
    one.cache.to(torch.float32)
    for result in (
        one.cache.head_logit_attrs(3),
        one.cache.logit_attrs(one.cache.stack_head_results(), 3),
    ):
        assert result.dtype == torch.float32
        assert_close(result, exact.float())


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


def test_an_attn_only_model_has_no_neurons_to_give():
    cache = run(random_model(attn_only=True), tokens(2, 3)).cache
    with pytest.raises(ConfigError, match="attn_only"):
        cache.get_neuron_results(0)
    assert cache.decompose_resid(mode="mlp", incl_embeds=False).shape == (0, 2, 3, 10)
    _, labels = cache.accumulated_resid(incl_mid=True, return_labels=True)
    assert labels == ["0_pre", "1_pre", "final_post"]


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        (lambda c: c.decompose_resid(), "hook_pos_embed"),
        (lambda c: c.decompose_resid(0, incl_embeds=False, apply_ln=True), "ln1.hook_scale"),
        (lambda c: c.stack_head_results(), "blocks.0.attn.hook_z"),
        (lambda c: c.head_logit_attrs(3), "ln_final.hook_scale"),
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
