"""What exercise 9 shows: bytes of storages, each once, without the parameters."""

import gc

import torch

from exercises.grader.kit import points
from minicache.memory.live import LiveBytes

TITLE = "what autodiff keeps"
LESSON = "lesson 12, The autodiff switch"
X = torch.linspace(1, 2, 30).requires_grad_()
W = torch.ones(30, requires_grad=True)


C = torch.linspace(2, 3, 30)


def weigh(answer, see, label, fn, parameters=(X,)):
    see(label, lambda: answer.saved_bytes(fn, list(parameters)))


def test_it_weighs_what_is_saved(answer, see):
    weigh(answer, see, "(x + 1).sin()", lambda: (X + 1).sin())
    weigh(answer, see, "(x + 1).sin().cos()", lambda: (X + 1).sin().cos())
    weigh(answer, see, "(x.double() + 1).sin()", lambda: (X.double() + 1).sin())
    weigh(answer, see, "(x[:7] + 1).sin()", lambda: (X[:7] + 1).sin())
    weigh(answer, see, "(x + 1).sin() once more", lambda: (X + 1).sin())
    weigh(answer, see, "x + 1, which saves nothing", lambda: X + 1)
    see("a fn that raises", lambda: answer.saved_bytes(lambda: 1 / 0, [X]))

    def no_grad():
        with torch.no_grad():
            return (X + 1).sin()

    weigh(answer, see, "(x + 1).sin() under no_grad", no_grad)


def test_parameters_do_not_count_and_all_else_does(answer, see):
    weigh(answer, see, "(x + 1) * w", lambda: (X + 1) * W, [X, W])
    weigh(answer, see, "x.sin(), x a parameter", lambda: X.sin())
    weigh(answer, see, "x.sin(), x no parameter", lambda: X.sin(), [])
    weigh(answer, see, "x * c, c a constant", lambda: X * C)
    weigh(answer, see, "(x + 1)[:10] * w[:10]", lambda: (X + 1)[:10] * W[:10], [X, W])
    weigh(answer, see, "(x + 1)[:10] * w[20:]", lambda: (X + 1)[:10] * W[20:], [X, W])
    weigh(
        answer,
        see,
        "(x + 1) * c, where c has the values of w",
        lambda: (X + 1) * torch.ones(30),
        [X, W],
    )
    weigh(answer, see, "(x + 1).sin(), with w unused", lambda: (X + 1).sin(), [X, W])
    see(
        "((x + 1).sin() * w).cos() * x, the parameters from a generator",
        lambda: answer.saved_bytes(lambda: ((X + 1).sin() * W).cos() * X, (one for one in (X, W))),
    )


def test_a_storage_counts_once_and_as_a_whole(answer, see):
    def twice():
        y = X + 1
        return y.sin() + y.cos()

    weigh(answer, see, "y = x + 1; y.sin() + y.cos()", twice)
    weigh(answer, see, "(x + 1).exp().sin(), one tensor for both", lambda: (X + 1).exp().sin())

    def two_views():
        y = X + 1
        return y[:10].sin().sum() + y[10:].cos().sum()

    weigh(answer, see, "y = x + 1; y[:10].sin() and y[10:].cos()", two_views)

    def reshaped():
        y = X + 1
        return y.sin().sum() + y.view(5, 6).cos().sum()

    weigh(answer, see, "y = x + 1; y.sin() and y.view(5, 6).cos()", reshaped)
    weigh(answer, see, "(x + 1)[:3].sin()", lambda: (X + 1)[:3].sin())
    weigh(answer, see, "(x[:1] + 1).expand(30).sin()", lambda: (X[:1] + 1).expand(30).sin())

    large = torch.zeros(65536, requires_grad=True)

    def thrown_away():
        """An address that is free again is soon another's. Large blocks make that certain."""

        def eight_times():
            return [float((large + 1).sin().sum()) for _ in range(8)]

        return answer.saved_bytes(eight_times, [large]) == 8 * 262144

    see("(x + 1).sin() of 65536 numbers, eight times, each thrown away: 2097152 bytes", thrown_away)


@points(4)
def test_nothing_is_left_and_all_operations_count(answer, see):
    def left():
        with LiveBytes() as live:
            answer.saved_bytes(lambda: (X + 1).exp(), [X])
            gc.collect()
            return live.now

    see("bytes alive after saved_bytes of (x + 1).exp(), whose graph saves its own result", left)

    def several():
        y = (X + 1).view(5, 6)
        return {"a": (y @ y.T.contiguous()).softmax(-1), "b": y[[0, 2]].tanh()}

    weigh(
        answer, see, "a product, a softmax, indices and a tanh, returned in a dictionary", several
    )
    weigh(answer, see, "a fn that returns None", lambda: [(X + 1).sin(), None][1])

    def grad(fn):
        X.grad = None
        answer.saved_bytes(fn, [X])
        return X.grad

    see("backward inside of fn: x.grad", lambda: grad(lambda: (X + 1).sin().sum().backward()))
    see(
        "what it weighs",
        lambda: answer.saved_bytes(lambda: (X + 1).sin().sum().backward(), [X]),
    )

    def later():
        results = []
        answer.saved_bytes(lambda: results.append((X + 1).exp().sum()), [X])
        X.grad = None
        results[0].backward()
        return X.grad

    see("backward after saved_bytes: x.grad", later)

    def calls():
        count = []
        answer.saved_bytes(lambda: count.append(1), [X])
        return len(count)

    see("how often fn was called", calls)
