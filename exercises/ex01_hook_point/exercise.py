"""Exercise 1: a hook point. Lesson 2.

Could you write the tap that everything else hangs on? A `HookPoint` is a module that hands its
input on. Functions attached to it see the tensor on its way, and may put another in its place.

- `add_hook(hook)` attaches a function. Each is called as `hook(tensor, hook=point)`, in the order
  in which they were added.
- A hook that returns a tensor replaces what flows: the next hook sees that one. A hook that returns
  None changes nothing.
- `remove_hooks()` takes all of them off.

    >>> point = HookPoint()
    >>> point.add_hook(lambda tensor, hook: 2 * tensor)
    >>> point(torch.ones(2))
    tensor([2., 2.])

How you store the hooks is free. Run `pytest exercises -k hook_point` as often as you like.

You may use all of minicache, but not its own `HookPoint`.
"""

from torch import Tensor, nn


class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()

    def add_hook(self, hook):
        raise NotImplementedError

    def remove_hooks(self):
        raise NotImplementedError

    def forward(self, tensor: Tensor) -> Tensor:
        raise NotImplementedError
