"""Your hooks come off at the end of the block, but not when the block raises. Everything after
`yield` is skipped then, unless it stands in a `finally`.
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
    for point, hook in points:
        tickets.append((point, point.attach(hook, "fwd", False, False)))
    yield model
    for point, ticket in tickets:
        point.detach(ticket)
