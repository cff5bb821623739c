"""What exercise 7 shows: five ways to ask, on every axis."""

import torch

from exercises.grader.kit import points

TITLE = "one ruler for every axis"
LESSON = "lesson 11, Slices"

# By label: a tensor, and the names of its axes.
WORLDS = {
    "x": (torch.arange(24.0).reshape(2, 4, 3), "batch pos d"),
    "one": (torch.arange(4.0).reshape(1, 4, 1), "batch pos d"),
    "cube": (torch.arange(27.0).reshape(3, 3, 3).transpose(0, 2), "batch pos d"),
    "row": (torch.tensor([5, 6, 7, 8]), "pos"),
    "flags": (torch.tensor([[True, False], [False, False], [True, True]]), "pos head"),
    "scores": (torch.arange(48.0).double().reshape(2, 3, 4, 2), "batch head query key"),
}


def ask(answer, see, name, dim, what):
    tensor, axes = WORLDS[name]
    names = axes.split()
    kept = [one for one in names if one != names[dim] or not isinstance(what, int)]
    see(
        f"take({name}, {dim}, {what})",
        lambda: answer.take(tensor, dim, what),
        " ".join(kept),
        **{name: tensor, "what": what},
    )


def test_ints_lists_and_slices_on_every_axis(answer, see):
    for name, dim, what in (
        ("x", 1, [0, 3]), ("x", 1, [3, 0, 0]), ("x", -1, [2, 1]), ("x", 0, [1]), ("x", 1, [2]),
        ("x", 1, 2), ("x", 1, -1), ("x", -1, 0), ("x", 0, 0), ("x", 0, -2), ("x", -3, 1),
        ("x", 1, (1, 3)), ("x", -2, (None, 2)), ("x", 1, (-2, None)), ("x", 2, (0, 1)),
        ("x", 0, (1, 2)), ("x", 2, (None, None)), ("x", 1, (1, -1)), ("x", 1, (0, 2)),
        ("x", 1, (-7, 2)), ("x", 1, (2, 9)), ("x", 1, (-3, -1)), ("x", 0, [0, 1]),
        ("cube", 0, [2, 0]), ("cube", 1, 2), ("cube", 2, (1, None)),
        ("row", 0, [3, 1]), ("row", 0, (1, 3)),
        ("scores", 2, [3, 1, 2]), ("scores", -2, 1), ("scores", 3, (1, None)),
    ):  # fmt: skip
        ask(answer, see, name, dim, what)


def test_bools_are_a_mask(answer, see):
    for name, dim, what in (
        ("x", 1, [True, False, False, True]), ("x", 2, [False, True, False]),
        ("x", 0, [True, False]), ("x", 0, [True, True]), ("x", -2, [False, True, True, True]),
        ("cube", 1, [True, False, True]),
        ("row", 0, [False, True, True, False]), ("scores", 1, [False, False, True]),
    ):  # fmt: skip
        ask(answer, see, name, dim, what)


def test_axes_of_one_entry_and_lists_of_one_stay(answer, see):
    for name, dim, what in (
        ("one", 0, 0), ("one", 1, [2]), ("one", -1, [0]), ("one", 2, -1), ("one", 0, [True]),
        ("one", 1, (3, 4)), ("one", 1, 3), ("one", 0, (0, 1)), ("row", 0, [2]),
    ):  # fmt: skip
        ask(answer, see, name, dim, what)


@points(4)
def test_none_is_everything_and_every_dtype_stays(answer, see):
    for name, dim, what in (
        ("x", 1, None), ("x", -3, None), ("one", 0, None), ("row", 0, None), ("scores", 3, None),
        ("flags", 1, None), ("flags", 0, [2, 0]), ("flags", 1, 1),
        ("flags", -2, [True, False, True]),
    ):  # fmt: skip
        ask(answer, see, name, dim, what)
