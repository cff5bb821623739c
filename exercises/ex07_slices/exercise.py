"""Exercise 7: one ruler for every axis. Lesson 11.

People ask for positions in five ways. Please write the one function that understands them all, on
any axis, so that nobody else has to.

`take(tensor, dim, what)` takes from axis `dim`, which may count from the end:

- an int: that entry, and the axis goes away. -1 is the last.
- a tuple (start, stop): the entries from start up to but without stop. Either may be None. As in a
  slice, a number below 0 counts from the end, and one beyond the axis is cut off.
- a list of ints: these entries, in this order. The axis stays, even for a list of one.
- a list of bools: the entries where it is True. The axis stays.
- None: everything.

    >>> take(torch.zeros(2, 5, 3), -2, [0, 4]).shape
    torch.Size([2, 2, 3])

Every tensor is at least one-dimensional, and keeps its dtype. Every `what` fits its axis. That is,
where the axis has n entries: an int is from -n to n - 1, an int in a list from 0 to n - 1, there
are n bools, and something is taken. Of a tuple only that holds.

You may use all of minicache, but not its own `Slice`.
"""

from torch import Tensor


def take(tensor: Tensor, dim: int, what) -> Tensor:
    raise NotImplementedError
