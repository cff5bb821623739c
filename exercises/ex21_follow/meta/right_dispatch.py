"""Below torch's functions: a dispatch mode sees the operators themselves."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

FORMS = {"view", "_unsafe_view", "_to_copy", "clone", "detach", "alias", "_reshape_alias"}


class NoSum(ValueError):
    pass


def find_writes(block, stream):
    shape, writes = stream.shape, []
    current = [torch.clone(stream)]

    def holds(value):
        return [form for form in current if form is value] != []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal current
            kwargs = kwargs or {}
            name = func._schema.name.removeprefix("aten::")
            part = None
            if name in ("add", "add_"):
                one, two = args[:2]
                alpha = kwargs.get("alpha", 1)
                if holds(one):
                    part = two * alpha if alpha != 1 else two
                elif holds(two) and alpha == 1:
                    part = one
                if part is not None:
                    part = part.clone() if isinstance(part, torch.Tensor) else torch.tensor(part)
            out = func(*args, **kwargs)
            if part is not None:
                writes.append(part.broadcast_to(out.shape).reshape(shape))
                current = [out]
            elif name in FORMS and holds(args[0]):
                current.append(out)
            return out

    with torch.no_grad(), Watch():
        last = block(current[0])
    if not holds(last):
        raise NoSum("not the stream")
    return writes
