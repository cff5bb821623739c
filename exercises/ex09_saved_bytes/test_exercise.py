"""What exercise 9 shows: bytes of storages, each once, without the parameters."""

import gc

import torch

from exercises.grader.kit import points
from minicache.memory.live import LiveBytes

TITLE = "what autodiff keeps"
LESSON = "lesson 12, The autodiff switch"
X = torch.linspace(1, 2, 30).requires_grad_()
W = torch.ones(30, requires_grad=True)


def none_saved():
    with torch.no_grad():
        return (X + 1).sin()


@points(2)
def test_it_weighs_what_is_saved(answer, see):
    see("(x + 1).sin()", lambda: answer.saved_bytes(lambda: (X + 1).sin(), [X]))
    see("(x + 1).sin().cos()", lambda: answer.saved_bytes(lambda: (X + 1).sin().cos(), [X]))
    see("(x.double() + 1).sin()", lambda: answer.saved_bytes(lambda: (X.double() + 1).sin(), [X]))


def test_parameters_do_not_count(answer, see):
    see("(x + 1) * w", lambda: answer.saved_bytes(lambda: (X + 1) * W, [X, W]))
    see("x.sin(), x a parameter", lambda: answer.saved_bytes(lambda: X.sin(), [X]))
    see(
        "(x + 1)[:10] * w[:10]",
        lambda: answer.saved_bytes(lambda: (X + 1)[:10] * W[:10], [X, W]),
    )


def test_a_storage_counts_once(answer, see):
    def twice():
        y = X + 1
        return y.sin() + y.cos()

    see("y = x + 1; y.sin() + y.cos()", lambda: answer.saved_bytes(twice, [X]))

    def exp_then_sin():
        return (X + 1).exp().sin()

    see("(x + 1).exp().sin(), one tensor for both", lambda: answer.saved_bytes(exp_then_sin, [X]))


def test_a_view_keeps_its_whole_storage(answer, see):
    see("(x + 1)[:3].sin()", lambda: answer.saved_bytes(lambda: (X + 1)[:3].sin(), [X]))
    see(
        "(x[:1] + 1).expand(30).sin()",
        lambda: answer.saved_bytes(lambda: (X[:1] + 1).expand(30).sin(), [X]),
    )


def test_nothing_is_left_alive(answer, see):
    def left():
        with LiveBytes() as live:
            answer.saved_bytes(lambda: (X + 1).exp(), [X])
            gc.collect()
            return live.now

    see("bytes alive after saved_bytes of (x + 1).exp(), whose graph saves its own result", left)


def test_without_a_graph_nothing_is_saved(answer, see):
    see("(x + 1).sin() under no_grad", lambda: answer.saved_bytes(none_saved, [X]))
    see("does backward still run?", lambda: grad(answer))


def grad(answer):
    X.grad = None
    answer.saved_bytes(lambda: (X + 1).sin().sum().backward(), [X])
    return X.grad
