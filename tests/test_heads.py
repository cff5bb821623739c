"""The scores of heads: what they count, and what they leave out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minicache import ActivationCache
from minicache.analysis.heads import induction_score, previous_token_score
from minicache.errors import ArgumentValueError, MissingActivationError
from tests.worlds import assert_close, random_model, run, runs, tokens


def cache_of(pattern: torch.Tensor) -> ActivationCache:
    """A cache of one layer that attends like this: [batch, head, query, key]."""
    return ActivationCache({"blocks.0.attn.hook_pattern": pattern}, random_model(1))


@given(period=st.integers(1, 4), bos=st.booleans())
def test_a_head_that_does_nothing_but_induction_scores_one(period, bos):
    pos = 2 * period + bos
    pattern = torch.zeros(2, 1, pos, pos)
    for query in range(period + bos, pos):
        pattern[:, 0, query, query - period + 1] = 1
    assert induction_score(cache_of(pattern), period, bos).tolist() == [[1.0]]
    pattern = 1 - pattern
    assert induction_score(cache_of(pattern), period, bos).tolist() == [[0.0]]


@given(pos=st.integers(3, 8), bos=st.booleans())
def test_a_head_that_looks_one_token_back_scores_one(pos, bos):
    pattern = torch.zeros(1, 2, pos, pos)
    pattern[:, 1] = torch.diag(torch.ones(pos - 1), -1)
    if bos:
        pattern[:, 1, 1] = 0  # its look back at the BOS token is not counted
    assert previous_token_score(cache_of(pattern), bos).tolist() == [[0.0, 1.0]]


@given(one=runs())
def test_a_score_is_the_mean_over_items_of_the_score_of_each(one):
    if one.tokens.shape[-1] < 4:
        return
    whole = induction_score(one.cache, 2), previous_token_score(one.cache)
    assert all(score.shape == (one.model.cfg.n_layers, one.model.cfg.n_heads) for score in whole)
    if one.cache.has_batch_dim:
        items = [one.cache.apply_slice_to_batch_dim(item) for item in range(len(one.tokens))]
        assert_close(torch.stack([induction_score(item, 2) for item in items]).mean(0), whole[0])
        assert_close(torch.stack([previous_token_score(item) for item in items]).mean(0), whole[1])


def test_the_shipped_models_heads_do_what_its_card_says(shipped):
    phrase = "Tokyo fox blue cake Anna"
    cache = run(shipped, shipped.to_tokens(f"{phrase} {phrase}")).cache
    assert (induction_score(cache, 5) > 0.4).nonzero().tolist() == [[1, 0], [1, 1]]
    assert previous_token_score(cache).argmax() == 0


def test_a_run_that_is_too_short_or_a_period_that_is_none_is_refused():
    cache = run(random_model(), tokens(1, 4)).cache
    for period in (0, -1):
        with pytest.raises(ArgumentValueError, match=f"period={period}"):
            induction_score(cache, period)
    with pytest.raises(ArgumentValueError, match="needs queries from position 5 on"):
        induction_score(cache, 4)
    with pytest.raises(ArgumentValueError, match="2 positions"):
        previous_token_score(run(random_model(), tokens(1, 2)).cache)


def test_a_cache_without_patterns_says_so():
    with pytest.raises(MissingActivationError, match="hook_pattern"):
        previous_token_score(run(random_model(), tokens(1, 4), names_filter="hook_embed").cache)
