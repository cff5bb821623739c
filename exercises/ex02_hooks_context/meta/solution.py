"""The reference solution."""

from contextlib import contextmanager


@contextmanager
def hooks(model, fwd_hooks):
    points = []
    for name, hook in fwd_hooks:
        if name not in model.hook_dict:
            raise KeyError(f"no hook point {name!r}; there are {list(model.hook_dict)}")
        points.append((model.hook_dict[name], hook))
    handles = []
    try:
        for point, hook in points:
            handles.append((point, point.attach(hook, "fwd", False, False)))
        yield model
    finally:
        for point, handle in handles:
            point.detach(handle)
