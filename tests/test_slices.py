"""Laws of the ruler: it agrees with torch's own indexing, and complains in words."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from exercises.grader.accelerator import accelerator
from minicache import Slice
from minicache.errors import SliceError, SliceRangeError
from tests.worlds import axis_slices


def plain_key(given_slice):
    """What one would write in brackets for the same."""
    if isinstance(given_slice, tuple):
        return slice(*given_slice)
    return slice(None) if given_slice is None else given_slice


@st.composite
def cases(draw):
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    return torch.randn(shape), dim, draw(axis_slices(shape[dim]))


@given(case=cases())
def test_apply_is_torch_indexing_on_that_axis(case):
    tensor, dim, asked = case
    key = [slice(None)] * tensor.ndim
    key[dim] = plain_key(asked)
    assert torch.equal(Slice(asked).apply(tensor, dim), tensor[tuple(key)])


@given(case=cases())
def test_indices_are_the_entries_that_apply_takes(case):
    tensor, dim, asked = case
    size = tensor.shape[dim]
    taken = Slice(asked).apply(torch.arange(size)).reshape(-1)
    assert Slice(asked).indices(size).tolist() == taken.tolist()


@given(case=cases())
def test_unwrap_keeps_the_axis_of_an_int_and_changes_nothing_else(case):
    tensor, dim, asked = case
    result = Slice.unwrap(asked).apply(tensor, dim)
    assert result.ndim == tensor.ndim
    assert torch.equal(
        result, Slice([asked] if isinstance(asked, int) else asked).apply(tensor, dim)
    )
    assert torch.equal(Slice.unwrap(made := Slice(asked)).apply(tensor, dim), result)
    assert Slice.of(made) is made


@pytest.mark.parametrize(
    ("asked", "mode", "taken"),
    [
        (2, "int", [2]),
        (np.int64(2), "int", [2]),
        (torch.tensor(2), "int", [2]),
        ((3,), "slice", [0, 1, 2]),
        ((1, 3), "slice", [1, 2]),
        ((1, None, 2), "slice", [1, 3]),
        ((1, 4, 1), "slice", [1, 2, 3]),
        (slice(1, 3), "slice", [1, 2]),
        ([0, -1], "array", [0, 4]),
        ([], "array", []),
        (range(2), "array", [0, 1]),
        (torch.tensor([4, 0]), "array", [4, 0]),
        (torch.tensor([4, 0], dtype=torch.uint8), "array", [4, 0]),
        (np.array([4, 0]), "array", [4, 0]),
        ([True, False, False, True, False], "array", [0, 3]),
        (torch.tensor([False, True, True, False, False]), "array", [1, 2]),
        (None, "identity", [0, 1, 2, 3, 4]),
    ],
)
def test_every_form_of_input(asked, mode, taken):
    made = Slice(asked)
    assert made.mode == mode
    assert made.indices(5).tolist() == taken
    again = eval(repr(made), {"Slice": Slice})
    assert (again.mode, again.indices(5).tolist()) == (mode, taken)


@pytest.mark.parametrize(
    "asked",
    [
        "1", b"1", 1.5, True, (), (1, 2, 3, 4), (1.0,), (True,), ("a",), (0, 4, 0), (4, 0, -1),
        [1.5], ["a"], [True, 2], [[0, 1]], [None], {1, 2}, {1: 2}, object(), torch.zeros(2),
        torch.zeros(2, 2, dtype=torch.long), torch.tensor(True), np.array([0.5]), [1j],
    ],
)  # fmt: skip
def test_a_bad_slice_raises_when_it_is_made(asked):
    with pytest.raises(SliceError, match=r"Give an int|steps by"):
        Slice(asked)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (5, ["Index 5", "axis 1", "size 5", "-5 to 4"]),
        (-6, ["Index -6"]),
        ([0, 7], ["Index 7", "size 5"]),
        ([True, False], ["mask of 2", "size 5"]),
    ],
)
def test_an_index_out_of_range_names_the_axis_its_size_and_the_index(asked, words):
    with pytest.raises(SliceRangeError) as caught:
        Slice(asked).apply(torch.zeros(2, 5), dim=1)
    for word in words:
        assert word in str(caught.value)
    assert isinstance(caught.value, IndexError)
    with pytest.raises(SliceRangeError, match="size 5"):
        Slice(asked).indices(5)


def test_an_axis_that_is_not_there_raises():
    with pytest.raises(SliceRangeError, match="axis 2 of a tensor that has 1 axes"):
        Slice(0).apply(torch.zeros(3), dim=2)


def test_an_empty_axis_has_no_index():
    with pytest.raises(SliceRangeError, match="no entries"):
        Slice(0).apply(torch.zeros(0))


def test_indices_without_a_size_are_known_only_for_an_index_from_the_start():
    for index in (3, 0):
        assert Slice(index).indices().tolist() == [index]
    for asked in (-1, (2,), None):
        with pytest.raises(SliceError, match="size of the axis"):
            Slice(asked).indices()


def test_views_stay_views_and_lists_copy():
    tensor = torch.zeros(4, 3)
    for asked in (1, (1, 3), None):
        assert Slice(asked).apply(tensor).untyped_storage().data_ptr() == tensor.data_ptr()
    assert Slice([1]).apply(tensor).untyped_storage().data_ptr() != tensor.data_ptr()


@pytest.mark.parametrize(
    "given", [torch.tensor([0, 2]), np.array([0, 2]), [0, 2]], ids=["t", "n", "l"]
)
def test_a_slice_keeps_its_own_copy_of_the_indices_that_it_was_made_from(given):
    made = Slice(given)
    given[0] = 1
    assert made.indices(3).tolist() == [0, 2]


def test_a_slice_keeps_its_own_copy_of_a_mask():
    mask = torch.tensor([True, False, True])
    made = Slice(mask)
    mask.fill_(False)
    assert made.indices(3).tolist() == [0, 2]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "uint64"])
def test_an_array_of_any_int_dtype_and_any_stride_is_a_slice(dtype):
    reversed_array = np.arange(4, dtype=dtype)[::-1]
    assert Slice(reversed_array).indices(5).tolist() == [3, 2, 1, 0]
    assert Slice(np.arange(6, dtype=dtype)[::2]).indices(5).tolist() == [0, 2, 4]
    assert Slice(np.array([True, False, False])[::-1]).indices(3).tolist() == [2]


@pytest.mark.parametrize("huge", [10**30, -(10**30), 10**5000], ids=["1e30", "-1e30", "1e5000"])
def test_an_index_of_any_size_is_out_of_range_in_words_and_a_range_is_cut(huge):
    with pytest.raises(SliceRangeError, match="out of range"):
        Slice(huge).apply(torch.zeros(3))
    assert "Slice(" in repr(Slice(huge))
    assert Slice((huge,)).apply(torch.arange(3)).tolist() == list(range(3))[:huge]
    with pytest.raises(SliceError):
        Slice([huge])


def test_no_argument_takes_the_whole_axis():
    assert Slice().mode == "identity"
    assert repr(Slice()) == "Slice(None)"
    assert Slice().indices(3).tolist() == [0, 1, 2]


def test_parts_of_a_range_may_be_any_kind_of_int():
    assert Slice((np.int64(1), torch.tensor(3))).indices(5).tolist() == [1, 2]
    with pytest.raises(SliceError):
        Slice((torch.tensor([1]), 3))


def test_a_slice_made_from_a_tensor_on_a_device_cuts_tensors_anywhere():
    there = torch.tensor([2, 0]).to(accelerator())
    assert Slice(there).indices(3).tolist() == [2, 0]
    tensor = torch.arange(3)
    assert Slice(there).apply(tensor).tolist() == [2, 0]
    assert Slice(there).apply(tensor.to(accelerator())).device.type == there.device.type
