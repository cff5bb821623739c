"""Every hook is given the original tensor, and only the last replacement survives. Hooks form a
chain: the next one sees what the one before it returned.
"""

from torch import Tensor, nn


class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()
        self.hooks = []

    def add_hook(self, hook):
        self.hooks.append(hook)

    def remove_hooks(self):
        self.hooks.clear()

    def forward(self, tensor: Tensor) -> Tensor:
        out = tensor
        for hook in self.hooks:
            result = hook(tensor, hook=self)
            if result is not None:
                out = result
        return out
