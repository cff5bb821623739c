"""What the values show by themselves: each sentence is true of what came, and only of such."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from exercises.grader.look import observe
from exercises.grader.relations import relation

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def numbered(shape, seed=0):
    """Numbers of which no two are alike, nor the same multiples of others."""
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(tuple(shape), generator=generator) + 3


def told(came, wanted, axes="", changed=(), beside=()):
    seen, *others = (observe(lambda it=it: it, axes, __file__) for it in (came, wanted, *beside))
    return relation({**seen, "changed": list(changed)}, others[0], others[1:])


def raised(error):
    def thunk():
        raise error

    return observe(thunk, "", __file__)


@given(SHAPES)
def test_what_is_right_is_called_nothing_else(shape):
    assert told(numbered(shape), numbered(shape)) == ""


@given(SHAPES, SHAPES)
def test_numbers_that_have_nothing_to_do_with_each_other_are_not_related(one, two):
    came, wanted = numbered(one, seed=1), numbered(two, seed=2)
    words = told(came, wanted)
    if came.numel() > 2 and wanted.numel() > 2:
        assert words == "", words


@given(SHAPES, st.floats(0.1, 50).filter(lambda factor: abs(factor - 1) > 0.01))
def test_a_factor_is_seen_and_said(shape, factor):
    wanted = numbered([*shape, 3])
    assert f"{factor:.4g}" in told(wanted * factor, wanted)


def test_a_part_of_a_whole_is_said_as_such():
    wanted = numbered([2, 3])
    assert "(1 / 7)" in told(wanted / 7, wanted)


@given(SHAPES)
def test_another_sign_is_seen(shape):
    wanted = numbered([*shape, 3])
    assert "other sign" in told(-wanted, wanted)


@given(st.permutations([0, 1, 2]).filter(lambda order: order != [0, 1, 2]))
def test_axes_in_another_order_are_named(order):
    wanted = numbered([3, 4, 5])
    named = ["layer", "head", "query"]
    asked = ", ".join(f"`{named[i]}`" for i in order)
    assert f"[{asked}]" in told(wanted.permute(order), wanted, "layer head query")


def test_axes_of_one_size_are_told_apart_by_their_numbers():
    wanted = numbered([3, 3])
    assert "[`key`, `query`]" in told(wanted.T, wanted, "query key")


@given(st.integers(0, 2))
def test_a_reduced_axis_is_named_with_what_was_done(axis):
    wanted, name = numbered([3, 4, 5]), ["layer", "head", "query"][axis]
    ways = {
        "sum over": wanted.sum(axis),
        "mean over": wanted.mean(axis),
        "largest along": wanted.amax(axis),
        "first along": wanted.select(axis, 0),
        "last along": wanted.select(axis, -1),
    }
    for words, came in ways.items():
        assert f"{words} `{name}`" in told(came, wanted, "layer head query")


def test_axes_that_are_gone_joined_or_too_many_are_told_apart():
    wanted = numbered([1, 4, 2])
    assert "size 1 is gone" in told(wanted[0], wanted)
    assert "in another place" in told(wanted.movedim(0, 1), wanted)
    assert "in another place" in told(wanted[None], wanted)
    both = numbered([3, 4, 2])
    assert "`torch.cat`" in told(both.flatten(0, 1), both)
    assert "another shape" in told(both.reshape(2, 3, 4), both)


@given(st.integers(1, 3), st.integers(0, 2))
def test_too_few_and_too_many_entries_are_counted(missing, start):
    whole = numbered([2, 6])
    part = whole.narrow(1, start, 6 - missing) if start <= missing else whole[:, missing:]
    assert "a part of it: along `pos` only" in told(part, whole, "batch pos")
    assert f"there are {missing} more" in told(whole, part, "batch pos")


def test_entries_along_an_axis_that_are_the_wrong_ones_are_named():
    wanted = numbered([2, 5])
    for came, words in {
        "at the first": wanted[:, :1].expand(2, 5),
        "at the last": wanted[:, 4:].expand(2, 5),
        "in reverse": wanted.flip(1),
        "another order: 1, 0, 2, 3, 4": wanted[:, [1, 0, 2, 3, 4]],
        "one place too late": torch.cat([numbered([2, 1], 9), wanted[:, :-1]], 1),
        "one place too early": torch.cat([wanted[:, 1:], numbered([2, 1], 9)], 1),
        "running sums along `pos`": wanted.cumsum(1),
        "adds to the one before": wanted.diff(dim=1, prepend=torch.zeros(2, 1)),
    }.items():
        assert came in told(words, wanted, "batch pos"), came


def test_nothing_is_said_of_numbers_that_could_come_from_anything():
    assert told(torch.ones(2, 3), torch.zeros(2, 3)) == ""
    assert told(torch.tensor(2.0), torch.tensor(1.0)) == ""
    assert told(torch.zeros(9000), torch.ones(9000)) == ""
    assert told(torch.ones(3), torch.tensor([1.0, torch.inf, 2.0])) == ""
    assert told(torch.zeros(0), numbered([2])) == ""
    assert told(torch.tensor([1.0, 1.0]), torch.tensor([2.0, 1.0])) == ""


def test_nans_are_named():
    assert "NaN" in told(torch.tensor([1.0, torch.nan, 2.0]), numbered([3]))


def test_what_was_changed_in_place_is_explained_unless_more_is_known():
    wanted = numbered([3])
    assert "end in `_`" in told(wanted, wanted, changed=["it changed `x` in place"])
    assert told(wanted, wanted, changed=["it left 2 hooks"]) == ""
    assert "other sign" in told(-wanted, wanted, changed=["it changed `x` in place"])


@pytest.mark.parametrize(
    ("came", "wanted", "words"),
    [
        (["b", "a", "c"], ["a", "b", "c"], "another order"),
        (["c", "b", "a"], ["a", "b", "c"], "reverse"),
        (["a", "b", "b"], ["a", "b"], "more than once"),
        (["a"], ["a", "b"], "Missing: 'b'"),
        (["a", "b"], ["a"], "Too many: 'b'"),
        (["1_attn", "2_mlp"], ["0_attn", "1_mlp"], "one too high"),
        (["0_attn", "1_mlp"], ["1_attn", "2_mlp"], "one too low"),
        (["hook_q", "hook_k"], ["q", "k"], "'hook_' in front"),
        (50.0, 0.5, "in percent"),
        (-3, 3, "other sign"),
        (None, 3, "without `return`"),
        (None, [1], "without `return`"),
        (torch.tensor(0.5), 0.5, "`.item()`"),
        (torch.tensor(0.25), 0.5, ""),
        (["a", "b"], ["c", "d"], ""),
        (["a", "b"], 3, ""),
        (True, False, ""),
        ("a", "b", ""),
        (2, True, ""),
        (3.0, 0.0, ""),
        (7, 3, ""),
        (object(), 3, ""),
    ],
)
def test_plain_values_are_compared_by_what_they_hold(came, wanted, words):
    found = told(came, wanted)
    assert words in found
    assert bool(found) == bool(words)


def test_none_says_nothing_where_it_is_an_answer():
    assert "without `return`" in told(None, "k", beside=["q", "v"])
    assert told(None, "k", beside=["q", None]) == ""


def test_an_exception_that_is_asked_for_is_told_from_others_and_from_none():
    wanted = raised(KeyError("k"))
    assert "Nothing was raised" in relation(observe(lambda: 1, "", __file__), wanted)
    assert "`python -O`" in relation({**raised(AssertionError()), "own": True}, wanted)
    assert "another class" in relation({**raised(ValueError("v")), "own": True}, wanted)
    assert "ValueError" in relation({**raised(ValueError("v")), "own": False}, wanted)
    assert relation(wanted, wanted) == ""


def test_an_exception_in_place_of_a_value_says_nothing_more():
    wanted = observe(lambda: numbered([3]), "", __file__)
    assert relation(raised(KeyError("k")), wanted) == ""
    assert relation(raised(KeyError("k")), observe(lambda: 3, "", __file__)) == ""
