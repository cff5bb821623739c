"""torch's own forward hooks, which have the same rule for None."""

from torch import nn


class HookPoint(nn.Module):
    def __init__(self):
        super().__init__()
        self.handles = []

    def add_hook(self, hook):
        def forward_hook(module, inputs, output):
            return hook(output, hook=module)

        self.handles.append(self.register_forward_hook(forward_hook))

    def remove_hooks(self):
        while self.handles:
            self.handles.pop().remove()

    def forward(self, tensor):
        return tensor
