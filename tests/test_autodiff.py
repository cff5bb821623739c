"""The table of lesson 12: what each mode of autodiff allows afterwards. Each cell is run."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import pytest
import torch

from minicache import toggle_autodiff
from tests.worlds import random_model, tokens

MODES = {
    "grad": nullcontext,
    "no_grad": torch.no_grad,
    "set_grad_enabled(False)": lambda: torch.set_grad_enabled(False),
    "inference_mode": torch.inference_mode,
}
# mode: (the logits have a graph, a gradient may flow through a cached tensor later, a cached tensor
# may be changed in place later)
TABLE = {
    "grad": (True, True, True),
    "no_grad": (False, True, True),
    "set_grad_enabled(False)": (False, True, True),
    "inference_mode": (False, False, False),
}


def attempt(action):
    try:
        action()
    except RuntimeError as error:
        assert "nference tensor" in str(error)
        return False
    return True


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


def ran(mode):
    with MODES[mode]():
        return random_model().run_with_cache(tokens(2, 5))


def test_what_is_left_after_each_mode(mode):
    logits, cache = ran(mode)
    z = cache["resid_post", -1]
    weight = torch.ones(10, dtype=torch.float64, requires_grad=True)
    through_cache = attempt(lambda: (z * weight).sum().backward())
    in_place = attempt(lambda: z.mul_(2))
    assert (logits.requires_grad, through_cache, in_place) == TABLE[mode]


def test_leaving_the_context_gives_back_what_was_there_even_after_an_exception(mode):
    for before in (True, False):
        with torch.set_grad_enabled(before):
            with pytest.raises(ZeroDivisionError), MODES[mode]():
                raise ZeroDivisionError
            assert torch.is_grad_enabled() == before
            assert not torch.is_inference_mode_enabled()


def test_the_global_toggle_outlives_the_function_that_called_it(caplog):
    def careless():
        toggle_autodiff()  # off, unless told otherwise

    try:
        careless()
        assert not torch.is_grad_enabled()
        assert not random_model()(tokens(2, 5)).requires_grad
    finally:
        torch.set_grad_enabled(True)
    (record,) = caplog.records
    assert record.name == "minicache"


def test_the_mode_is_each_threads_own():
    seen = {}

    def other():
        seen["other"] = torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    for switch in (torch.no_grad, torch.inference_mode):
        with switch():
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            assert not torch.is_grad_enabled()
        assert seen["other"] == (True, False)


def test_a_toggle_in_one_thread_does_not_reach_another():
    thread = threading.Thread(target=toggle_autodiff, args=(False,))
    thread.start()
    thread.join()
    assert torch.is_grad_enabled()
