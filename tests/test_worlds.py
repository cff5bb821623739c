"""What the other tests compare with can fail, under `python -O` too."""

from __future__ import annotations

import pytest
import torch

from tests.worlds import assert_close


def test_a_difference_and_another_shape_fail():
    ones = torch.ones(2, 3)
    assert_close(ones, ones + 1e-6)
    with pytest.raises(AssertionError, match="scaled: off by 1"):
        assert_close(ones, ones + 0.1, what="scaled")
    with pytest.raises(AssertionError, match=r"is not torch.Size\(\[3\]\)"):
        assert_close(ones, ones[0])
    with pytest.raises(AssertionError, match="off by nan"):
        assert_close(ones * float("nan"), ones)
