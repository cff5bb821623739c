"""Exercise 8: global state, given back. Lesson 12.

`torch.set_grad_enabled(False)` as a call stays on until somebody calls it again. Please write the
scope that gives back what it found.

`with autodiff(mode):` turns autodiff on (`mode=True`) or off (`mode=False`) for its block.

- After the block, however it is left, the mode is what it was before it. That need not be True.
- An exception goes on its way.
- Scopes nest.
- Tensors made inside an `autodiff(False)` block are ordinary tensors: later, outside, gradients may
  flow through them again.

    >>> with autodiff(False):
    ...     y = model(x)
    >>> y.requires_grad
    False

A class, a `contextmanager`, one of torch's own: all are fine.

You may use all of minicache.
"""

from contextlib import contextmanager


@contextmanager
def autodiff(mode: bool):
    raise NotImplementedError
    yield
