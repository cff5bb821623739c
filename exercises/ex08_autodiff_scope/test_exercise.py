"""What exercise 8 shows: the mode inside, the mode given back, and tensors that stay usable."""

import torch

from exercises.grader.kit import points

TITLE = "global state, given back"
LESSON = "lesson 12, The autodiff switch"


def mode_inside(answer, mode):
    with answer.autodiff(mode):
        return torch.is_grad_enabled()


def mode_after(answer, mode, before, fails=False):
    with torch.set_grad_enabled(before):
        try:
            with answer.autodiff(mode):
                if fails:
                    raise ZeroDivisionError("on purpose")
        except ZeroDivisionError:
            pass
        return torch.is_grad_enabled()


@points(2)
def test_the_mode_holds_inside(answer, see):
    see("the grad mode in `with autodiff(False)`", lambda: mode_inside(answer, False))

    def on():
        with torch.no_grad():
            return mode_inside(answer, True)

    see("the grad mode in `with autodiff(True)`, inside no_grad", on)
    weight = torch.ones(2, requires_grad=True)

    def product():
        with answer.autodiff(False):
            return (weight * 2).requires_grad

    see("(weight * 2).requires_grad in `with autodiff(False)`", product)


def test_after_the_block_it_is_as_before(answer, see):
    for before in (True, False):
        for mode in (True, False):
            label = f"the grad mode was {before}; after `with autodiff({mode})`"
            see(label, lambda b=before, m=mode: mode_after(answer, m, b))


def test_after_an_exception_as_well(answer, see):
    see(
        "the grad mode was True; after an exception in `with autodiff(False)`",
        lambda: mode_after(answer, False, True, fails=True),
    )
    see(
        "the grad mode was False; after an exception in `with autodiff(True)`",
        lambda: mode_after(answer, True, False, fails=True),
    )

    def goes_on():
        with answer.autodiff(False):
            raise ZeroDivisionError("on purpose")

    see("1 / 0 in the block: does the error come through?", goes_on)


def test_scopes_nest(answer, see):
    def nested():
        seen = []
        with answer.autodiff(False):
            with answer.autodiff(True):
                seen.append(torch.is_grad_enabled())
            seen.append(torch.is_grad_enabled())
        return [*seen, torch.is_grad_enabled()]

    see("autodiff(True) in autodiff(False): inside, between, after", nested)


def test_what_was_made_inside_is_an_ordinary_tensor(answer, see):
    weight = torch.full((2,), 3.0, requires_grad=True)

    def later():
        with answer.autodiff(False):
            cached = torch.ones(2) * 5
        (weight * cached).sum().backward()
        return weight.grad

    see("the gradient through a tensor made inside", later)
