"""All hook points share one list of hooks. A list written in the class body exists once, for the
class; make it in `__init__`, so that each point has its own.
"""

from torch import Tensor, nn


class HookPoint(nn.Module):
    hooks = []

    def __init__(self):
        super().__init__()
        pass

    def add_hook(self, hook):
        self.hooks.append(hook)

    def remove_hooks(self):
        self.hooks.clear()

    def forward(self, tensor: Tensor) -> Tensor:
        for hook in self.hooks:
            result = hook(tensor, hook=self)
            if result is not None:
                tensor = result
        return tensor
