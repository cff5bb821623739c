"""Exercise 21: follow the stream. Lesson 15.

A block reads the residual stream and adds to it. You do not know what is inside, and need not: the
additions say what it wrote.

`find_writes(block, stream)` runs `block` on the values of `stream`, and gives a list: what was
written to the stream, in the order of the additions. `block` is any function from a tensor
[batch, pos, d_model] to the stream behind the block. `stream` plus all writes is what it returns.

- At first the stream is the tensor that the block is given. When something is added to it, that is
  a write, and from then on the sum is the stream; what was the stream before is not any more.
- It counts which tensor is added to, not which values it has. Either operand may be the stream:
  `x + w` and `w + x` both write w.
- An addition is one write: `x + (a + m)` has one, `x + a + m` has two.
- `torch.add(x, w, alpha=2)` writes 2 * w. The operands may have names: `torch.add(input=x,
  other=w)`.
- Additions in place count too. After `x += w` x is the stream, and after `w.add_(x)` w is. A write
  is what was added then, whatever the block does to its tensors later.
- The stream may change its form: what a function of `SAME` makes of it is the stream as well, until
  the next addition. Every write comes back as [batch, pos, d_model], in whatever form it was added.
  A bias [d_model] and a number are repeated.
- If the block returns another tensor than the stream, whatever its values, raise a ValueError. The
  stream was scaled or normalised then, or was the operand that alpha multiplies.

    >>> find_writes(lambda x: x + 2 * x.mean(), stream)   # one write, [batch, pos, d_model]

You may use all of minicache.
"""

import torch
from torch.overrides import TorchFunctionMode

# What `func.__name__` is. All of x + w, x += w, torch.add(x, w) and x.add_(w) are additions.
ADDITIONS = {"add", "add_"}
SAME = {"view", "reshape", "flatten", "unflatten", "to", "float", "double", "contiguous", "clone"}


class Calls(TorchFunctionMode):
    """Given. In `with Calls(handle):` every call of a torch function goes to `handle` instead.

    `handle(func, args, kwargs)` runs it, `func(*args, **kwargs)`, and returns what it gave. The
    operands of `x + w` are `args`. What `handle` itself calls is not shown to it.
    """

    def __init__(self, handle):
        super().__init__()
        self.handle = handle

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return self.handle(func, args, kwargs or {})


def find_writes(block, stream):
    raise NotImplementedError
