"""A mode of its own that holds the state, with the two operands looked at in a loop."""

import torch
from torch.overrides import TorchFunctionMode


class Follow(TorchFunctionMode):
    def __init__(self, stream):
        super().__init__()
        self.now, self.found = {id(stream): stream}, []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name, before = func.__name__, None
        if name in ("add", "add_"):
            operands = list(args)
            operands += [kwargs[key] for key in ("input", "other") if key in kwargs]
            factors = [1, kwargs.get("alpha", 1)]
            for mine, its in ((0, 1), (1, 0)):
                if before is None and id(operands[mine]) in self.now and factors[mine] == 1:
                    before = torch.tensor(1.0) * operands[its] * factors[its]
        out = func(*args, **kwargs)
        if before is not None:
            self.found.append(torch.broadcast_to(before, out.shape))
            self.now = {id(out): out}
        elif (
            name in ("view reshape flatten unflatten to float double contiguous clone".split())
            and id(args[0]) in self.now
        ):
            self.now[id(out)] = out
        return out


def find_writes(block, stream):
    start = stream.detach().clone()
    with Follow(start) as follow:
        end = block(start)
    if id(end) not in follow.now:
        raise ValueError("no sum")
    return [one.reshape(stream.shape) for one in follow.found]
