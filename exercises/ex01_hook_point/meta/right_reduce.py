"""A fold over the hooks."""

from functools import reduce

from torch import nn


class HookPoint(nn.Identity):
    def __init__(self):
        super().__init__()
        self._attached = ()

    def add_hook(self, hook):
        self._attached += (hook,)

    def remove_hooks(self):
        self._attached = ()

    def forward(self, tensor):
        def step(now, hook):
            new = hook(now, hook=self)
            return now if new is None else new

        return reduce(step, self._attached, tensor)
