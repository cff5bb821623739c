"""Exercise 9: what autodiff keeps. Lesson 12.

A forward pass leaves tensors behind, so that backward can run. Please weigh them.

`saved_bytes(fn, parameters)` calls `fn()` once and returns how many bytes autograd saved for the
backward pass of that call, an int:

- torch calls the first function that you give to
  `torch.autograd.graph.saved_tensors_hooks(pack, unpack)` with every tensor that it saves. What
  `pack` returns is kept; `unpack` gets it back.
- All that was saved during the call counts, whether or not it is still held when the call ends.
- Memory counts, and not tensors: two tensors that share a storage count once, and a view keeps its
  whole storage. `tensor.untyped_storage().nbytes()` is its size.
- The `parameters`, any iterable of tensors such as `model.parameters()`, are there anyway. They,
  and views of them, do not count. All else does: inputs and constants that were saved as well.
- `fn` may return anything. An exception of it goes on its way.

    >>> x = torch.ones(100, requires_grad=True)
    >>> saved_bytes(lambda: (x + 1).sin(), [x])
    400

Let `pack` return `tensor.detach()`: if it returned the tensor, the graph would hold itself.

You may use all of minicache, but not its own `saved_for_backward`.
"""

import torch


def saved_bytes(fn, parameters) -> int:
    raise NotImplementedError
