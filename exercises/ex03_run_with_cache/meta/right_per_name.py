"""One hook function for each name, and removal by hand."""

from functools import partial


def run_with_cache(model, tokens, names_filter=None):
    cache = {}

    def keep(name, tensor, hook):
        cache[name] = tensor.data

    wanted = filter(names_filter or (lambda name: True), model.hook_dict)
    handles = []
    try:
        for name in wanted:
            point = model.hook_dict[name]
            handles.append((point, point.attach(partial(keep, name), "fwd", False, False)))
        return model(tokens), cache
    finally:
        for point, handle in handles:
            point.detach(handle)
