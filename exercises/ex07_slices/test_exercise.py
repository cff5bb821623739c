"""What exercise 7 shows: five ways to ask, on every axis."""

import torch

from exercises.grader.kit import points

TITLE = "one ruler for every axis"
LESSON = "lesson 11, Slices"
X = torch.arange(24.0).reshape(2, 4, 3)
AXES = "batch pos d"


def ask(answer, see, dim, what, axes=AXES):
    see(f"take(x, {dim}, {what})", lambda: answer.take(X, dim, what), axes)


@points(2)
def test_a_list_picks_and_keeps_the_axis(answer, see):
    ask(answer, see, 1, [0, 3])
    ask(answer, see, 1, [3, 0, 0])
    ask(answer, see, -1, [2, 1])


def test_a_list_of_one_keeps_the_axis(answer, see):
    ask(answer, see, 1, [2])


def test_an_int_drops_the_axis(answer, see):
    ask(answer, see, 1, 2, "batch d")
    ask(answer, see, 1, -1, "batch d")
    ask(answer, see, -1, 0, "batch pos")
    ask(answer, see, 0, 0, "pos d")


def test_a_tuple_is_a_slice(answer, see):
    ask(answer, see, 1, (1, 3))
    ask(answer, see, -2, (None, 2))
    ask(answer, see, 1, (-2, None))


def test_bools_are_a_mask(answer, see):
    ask(answer, see, 1, [True, False, False, True])
    ask(answer, see, 2, [False, True, False])


def test_none_is_everything(answer, see):
    ask(answer, see, 1, None)
