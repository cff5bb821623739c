"""You take off hooks that are not yours: a permanent one, or one that the user added. Remember
what you attached (the ticket), and take off only that.
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
        model.reset_hooks(including_permanent=True)
