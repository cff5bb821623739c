"""Two passes: all calls are kept with copies of their operands, and looked through afterwards."""

import torch
from torch.overrides import TorchFunctionMode


class Calls(TorchFunctionMode):
    def __init__(self, handle):
        super().__init__()
        self.handle = handle

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return self.handle(func, args, kwargs or {})


def operands_of(args, kwargs):
    given = dict(zip(("input", "other"), args))
    given.update({name: value for name, value in kwargs.items() if name in ("input", "other")})
    return given["input"], given["other"]


def find_writes(block, stream):
    log = []

    def handle(func, args, kwargs):
        copies = ()
        if func.__name__.rstrip("_") == "add":
            copies = [torch.as_tensor(one).clone() for one in operands_of(args, kwargs)]
        out = func(*args, **kwargs)
        log.append((func.__name__.rstrip("_"), args, kwargs, copies, out))
        return out

    first = stream.clone()
    with Calls(handle):
        last = block(first)

    same = "view reshape flatten unflatten to float double contiguous clone".split()
    held, writes = [first], []
    for name, args, kwargs, copies, out in log:
        if name in same and any(args[0] is one for one in held):
            held.append(out)
        if name != "add":
            continue
        one, two = operands_of(args, kwargs)
        alpha = kwargs.get("alpha", 1)
        # In place, the operand and the sum are one tensor.
        if any(one is tensor for tensor in held):
            write = copies[1] * alpha
        elif alpha == 1 and any(two is tensor for tensor in held):
            write = copies[0]
        else:
            continue
        writes.append((write + torch.zeros_like(out)).reshape(stream.shape))
        held = [out]
    if not any(last is one for one in held):
        raise ValueError("the block gives something else than the stream")
    return writes
