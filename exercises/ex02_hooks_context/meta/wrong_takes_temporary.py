"""Permanent hooks survive your block, but a hook that the user had added in the ordinary way is
gone after it. Take off by ticket, and not with `reset_hooks` or `remove_hooks`.
"""

from contextlib import contextmanager


@contextmanager
def hooks(model, fwd_hooks):
    points = []
    for name, hook in fwd_hooks:
        if name not in model.hook_dict:
            raise KeyError(f"no hook point {name!r}; there are {list(model.hook_dict)}")
        points.append((model.hook_dict[name], hook))
    tickets = []
    try:
        for point, hook in points:
            tickets.append((point, point.attach(hook, "fwd", False, False)))
        yield model
    finally:
        model.reset_hooks()
