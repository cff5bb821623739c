"""The reference solution."""

import torch
from torch.overrides import TorchFunctionMode

ADDITIONS = {"add", "add_"}
SAME = {"view", "reshape", "flatten", "unflatten", "to", "float", "double", "contiguous", "clone"}


class Calls(TorchFunctionMode):
    def __init__(self, handle):
        super().__init__()
        self.handle = handle

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return self.handle(func, args, kwargs or {})


def find_writes(block, stream):
    forms, writes = [stream.clone()], []

    def is_stream(value):
        return any(value is form for form in forms)

    def handle(func, args, kwargs):
        written = None
        if func.__name__ in ADDITIONS:
            named = [kwargs[name] for name in ("input", "other") if name in kwargs]
            left, right = [*args, *named]
            alpha = kwargs.get("alpha", 1)
            if is_stream(left):
                written = torch.as_tensor(right * alpha)
            elif is_stream(right) and alpha == 1:
                written = torch.as_tensor(left).clone()
        result = func(*args, **kwargs)
        if func.__name__ in SAME and is_stream(args[0]):
            forms.append(result)
        if written is not None:
            writes.append(written.expand(result.shape).reshape(stream.shape))
            forms[:] = [result]
        return result

    with Calls(handle):
        behind = block(forms[0])
    if not is_stream(behind):
        raise ValueError("The block returns something else than the stream that it added to.")
    return writes
