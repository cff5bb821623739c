"""Each activation is copied. A cache of a large model then needs its memory twice. `detach()`
gives a tensor that shares the memory; `clone()` and `deepcopy` do not.
"""


def run_with_cache(model, tokens, names_filter=None):
    cache = {}

    def keep(tensor, hook):
        cache[hook.name] = tensor.detach().clone()

    names = [name for name in model.hook_dict if names_filter is None or names_filter(name)]
    with model.hooks([(name, keep) for name in names]):
        logits = model(tokens)
    return logits, cache
