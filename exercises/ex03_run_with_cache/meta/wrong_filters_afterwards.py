"""Everything is stored, and thrown out afterwards. During the run all of it was held in memory,
which is what a filter is to avoid. Ask the filter before you store.
"""


def run_with_cache(model, tokens, names_filter=None):
    cache = {}

    def keep(tensor, hook):
        cache[hook.name] = tensor.detach()

    names = list(model.hook_dict)
    with model.hooks([(name, keep) for name in names]):
        logits = model(tokens)
    if names_filter is not None:
        cache = {name: tensor for name, tensor in cache.items() if names_filter(name)}
    return logits, cache
