"""Laws of attribution: the parts and one constant sum to the logits; fused equals built."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minicache import ActivationCache
from minicache.errors import ArgumentValueError, ShapeError, TokenError
from minicache.slices import Slice
from tests.worlds import RUNS, Run, assert_close, axis_slices, random_model, run, tokens


@given(one=RUNS, data=st.data())
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


@given(one=RUNS, data=st.data())
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


@given(one=RUNS, ids=st.sampled_from([torch.int8, torch.uint8, torch.int16, torch.int32]))
def test_ids_of_every_int_dtype_are_tokens(one, ids):
    words = torch.randint(11, one.tokens.shape)
    stack = one.cache.decompose_resid()
    assert_close(one.cache.logit_attrs(stack, words.to(ids)), one.cache.logit_attrs(stack, words))
    assert_close(one.cache.logit_constant(words.to(ids)), one.cache.logit_constant(words))
    assert_close(one.cache.head_logit_attrs(words.to(ids)), one.cache.head_logit_attrs(words))


@pytest.mark.parametrize(
    "given",
    [None, True, [True], 1.5, [1.5], ["a", 1], [[1], [1, 2]], object(), {1}, 10**30, [], 1j],
    ids=lambda given: type(given).__name__,
)
def test_what_is_no_token_raises_an_error_of_ours(given):
    cache = run(random_model(), tokens(2, 3)).cache
    for call in (cache.head_logit_attrs, cache.logit_constant):
        with pytest.raises(TokenError):
            call(given)


def test_a_list_of_words_is_a_token_for_each_item(shipped):
    cache = run(shipped, shipped.to_tokens(["In France", "In Spain"])).cache
    ids = torch.tensor([shipped.to_single_token(word) for word in ("Mary", "John")])
    stack = cache.decompose_resid()
    expected = cache.logit_attrs(stack, ids)
    assert torch.equal(cache.logit_attrs(stack, ["Mary", "John"]), expected)
    assert torch.equal(cache.logit_attrs(stack, ("Mary", "John")), expected)
    with pytest.raises(TokenError, match=r"\(3,\) do not fit"):
        cache.logit_attrs(stack, ["Mary", "John", "Mary"])


@given(one=RUNS, data=st.data())
def test_the_constant_is_memory_of_its_own_of_the_shape_of_one_row_and_without_a_graph(one, data):
    cut = data.draw(axis_slices(one.tokens.shape[-1]))
    rows = one.cache.logit_attrs(one.cache.decompose_resid(pos_slice=cut), 3, pos_slice=cut)
    constant = one.cache.logit_constant(3, 4, pos_slice=cut)
    assert constant.shape == rows.shape[1:]
    assert not constant.requires_grad
    before = one.cache.logit_constant(3, 4, pos_slice=cut).clone()
    constant.fill_(7)  # a view that repeats one number would refuse
    assert torch.equal(one.cache.logit_constant(3, 4, pos_slice=cut), before)


def unfit_stacks():
    """Each way in which a stack is not of this cache: [component, batch 2, pos 4, d_model 10]."""
    return {
        "one position": (lambda s: s[:, :, :1], {}),
        "no position axis": (lambda s: s[:, :, 0], {}),
        "other positions": (lambda s: s, {"pos_slice": (0, 2)}),
        "one position wanted": (lambda s: s, {"pos_slice": -1}),
        "one item": (lambda s: s[:, :1], {}),
        "no batch axis": (lambda s: s[:, 0], {}),
        "more items": (lambda s: torch.cat([s, s], 1), {}),
        "more items, sliced": (lambda s: torch.cat([s, s], 1), {"batch_slice": 0}),
        "no component axis": (lambda s: s[0], {}),
        "other d_model": (lambda s: s[..., :1], {}),
        "an item, and not said so": (lambda s: s[:, 0], {"batch_slice": 0}),
    }


@pytest.mark.parametrize("way", unfit_stacks())
def test_a_stack_that_does_not_fit_its_cache_is_refused_and_never_broadcast(way):
    cache = run(random_model(), tokens(2, 4)).cache
    change, options = unfit_stacks()[way]
    stack = change(cache.decompose_resid())
    for analysis in (
        lambda: cache.logit_attrs(stack, 3, **options),
        lambda: cache.apply_ln_to_stack(stack, **options),
    ):
        with pytest.raises(ShapeError) as caught:
            analysis()
        assert str(tuple(stack.shape)) in str(caught.value)
        assert "component" in str(caught.value)


@pytest.mark.parametrize("says", [True, False])
def test_has_batch_dim_that_says_otherwise_than_the_cache_is_refused(says):
    cache = run(random_model(), tokens(1, 4)).cache
    stack = cache.decompose_resid()
    if says:
        stack = stack[:, 0]
        cache.remove_batch_dim()
    for analysis in (
        lambda: cache.logit_attrs(stack, 3, has_batch_dim=says),
        lambda: cache.apply_ln_to_stack(stack, has_batch_dim=says),
    ):
        with pytest.raises(ArgumentValueError, match=f"has_batch_dim={says}"):
            analysis()


def test_a_stack_of_one_item_fits_that_item():
    cache = run(random_model(), tokens(3, 4)).cache
    stack = cache.decompose_resid()
    picked = cache.logit_attrs(stack[:, 1], 3, batch_slice=1, has_batch_dim=False)
    assert_close(picked, cache.logit_attrs(stack, 3)[:, 1])
    assert_close(cache.logit_attrs(stack, 3, batch_slice=1), picked)


def autocast_run(attn_only=False):
    """A run whose cache holds two dtypes: bfloat16 where autocast computes in it."""
    model = random_model(dtype=torch.float32, attn_only=attn_only)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        _, cache = model.run_with_cache(tokens(2, 4))
    assert len({entry.dtype for entry in cache.values()}) == 2
    return model, cache


def test_a_run_under_autocast_is_analysed_in_the_dtype_of_its_stream():
    _, cache = autocast_run()
    for method, arguments in {
        "decompose_resid": {"apply_ln": True},
        "accumulated_resid": {"apply_ln": True},
        "stack_head_results": {"apply_ln": True, "incl_remainder": True},
        "stack_neuron_results": {"layer": None, "incl_remainder": True},
        "get_full_resid_decomposition": {"project_output_onto": torch.randn(10)},
        "get_neuron_results": {"layer": 0},
        "head_logit_attrs": {"tokens": 3},
        "neuron_logit_attrs": {"tokens": 3},
        "logit_constant": {"tokens": 3},
    }.items():
        assert getattr(cache, method)(**arguments).dtype == torch.float32, method
    # bfloat16 keeps 8 bits, so the sums agree to about one part in a hundred.
    stream = cache["resid_post", -1]
    off = (cache.get_full_resid_decomposition().sum(0) - stream).abs().max()
    assert off < 0.02 * stream.abs().max()
    fused = cache.head_logit_attrs(3)
    built = cache.logit_attrs(cache.stack_head_results(), 3)
    assert (fused - built).abs().max() < 0.02 * built.abs().max()


def test_entries_of_any_mix_of_dtypes_are_analysed():
    model, cache = autocast_run()
    mixed = {
        name: entry.to((torch.float32, torch.bfloat16, torch.float64)[index % 3])
        for index, (name, entry) in enumerate(cache.items())
    }
    mixed = ActivationCache(mixed, model)
    for stack in (
        mixed.decompose_resid(apply_ln=True),
        mixed.accumulated_resid(),
        mixed.stack_head_results(apply_ln=True),
        mixed.get_full_resid_decomposition(apply_ln=True),
    ):
        assert mixed.logit_attrs(stack, 3).isfinite().all()
    assert mixed.head_logit_attrs(3).isfinite().all()
