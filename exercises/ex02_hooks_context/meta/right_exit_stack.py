"""An ExitStack, and a KeyError of its own kind."""

from contextlib import ExitStack, contextmanager


class NoSuchPoint(KeyError):
    pass


@contextmanager
def hooks(model, fwd_hooks):
    unknown = [name for name, _ in fwd_hooks if name not in model.hook_dict]
    if unknown:
        raise NoSuchPoint(unknown[0])
    with ExitStack() as stack:
        for name, hook in fwd_hooks:
            point = model.hook_dict[name]
            stack.callback(point.detach, point.attach(hook, "fwd", False, False))
        yield model
