"""What exercise 8 shows: the mode inside, the mode given back, and tensors that stay usable."""

import torch

from exercises.grader.kit import points

TITLE = "global state, given back"
LESSON = "lesson 12, The autodiff switch"
ERRORS = (ZeroDivisionError("on purpose"), KeyboardInterrupt("on purpose"))


def word(enabled):
    return "on" if enabled else "off"


def inside(answer, mode, before):
    with torch.set_grad_enabled(before), answer.autodiff(mode):
        return word(torch.is_grad_enabled())


def after(answer, mode, before, error=None, changed=None):
    """The mode after a block, left by its end or by an exception."""
    with torch.set_grad_enabled(before):
        try:
            with answer.autodiff(mode):
                if changed is not None:
                    torch.set_grad_enabled(changed)
                if error is not None:
                    raise error
        except BaseException as came:
            if came is not error:
                raise
        return word(torch.is_grad_enabled())


def test_the_mode_holds_inside_and_is_given_back(answer, see):
    for before in (True, False):
        for mode in (True, False):
            was, block = f"autodiff was {word(before)}", f"`with autodiff({mode})`"
            see(f"{was}; inside {block}", lambda b=before, m=mode: inside(answer, m, b))
            see(f"{was}; after {block}", lambda b=before, m=mode: after(answer, m, b))
            for error in ERRORS:
                see(
                    f"{was}; after {type(error).__name__} in {block}",
                    lambda b=before, m=mode, e=error: after(answer, m, b, e),
                )


def test_an_exception_goes_on_and_return_gives_back(answer, see):
    def raises(error, mode):
        with answer.autodiff(mode):
            raise error

    for error in ERRORS:
        for mode in (False, True):
            see(
                f"{type(error).__name__} in `with autodiff({mode})`",
                lambda error=error, mode=mode: raises(error, mode),
            )

    def returns():
        with answer.autodiff(False):
            return "left by return"

    see("a block left by return", returns)
    for mode, before in ((False, True), (True, False), (True, True)):
        see(
            f"autodiff was {word(before)}; after `with autodiff({mode})`, where somebody switched",
            lambda m=mode, b=before: after(answer, m, b, changed=not b),
        )


def test_scopes_nest(answer, see):
    def nested(*modes):
        if not modes:
            return [word(torch.is_grad_enabled())]
        with answer.autodiff(modes[0]):
            outer = word(torch.is_grad_enabled())
            inner = nested(*modes[1:])
            return [outer, *inner, word(torch.is_grad_enabled())]

    for modes in ((False, True), (False, False), (True, False, True), (False, True, False, False)):
        see(
            f"autodiff{modes}, each in the one before: on the way in, and out again",
            lambda modes=modes: [*nested(*modes), word(torch.is_grad_enabled())],
        )

    def one_after_another():
        modes = []
        for mode in (False, True, False):
            with answer.autodiff(mode):
                modes.append(word(torch.is_grad_enabled()))
            modes.append(word(torch.is_grad_enabled()))
        return modes

    see("False, True and False, one after the other: inside and after each", one_after_another)


@points(5)
def test_what_was_made_inside_is_an_ordinary_tensor(answer, see):
    def later(mode):
        weight = torch.full((2,), 3.0, requires_grad=True)
        with answer.autodiff(mode):
            cached = weight * 5
        (weight * cached).sum().backward()
        return weight.grad

    for mode in (False, True):
        see(f"made in `with autodiff({mode})`: the gradient through it", lambda m=mode: later(m))

    def changed():
        with answer.autodiff(False):
            cached = torch.ones(2)
        cached += 1
        return cached.requires_grad_() * 2

    see("made in `with autodiff(False)`, changed in place and used later", changed)
    weight = torch.ones(2, requires_grad=True)

    def product(mode):
        with answer.autodiff(mode):
            return (weight * 2).requires_grad

    for mode in (False, True):
        see(
            f"(weight * 2).requires_grad in `with autodiff({mode})`",
            lambda mode=mode: product(mode),
            weight=weight,
        )
