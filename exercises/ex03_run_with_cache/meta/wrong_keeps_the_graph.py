"""The cached tensors still hang on the graph. As long as the cache lives, everything that
autograd saved lives too. Store `tensor.detach()`: the same memory, without the graph.
"""


def run_with_cache(model, tokens, names_filter=None):
    cache = {}

    def keep(tensor, hook):
        cache[hook.name] = tensor

    names = [name for name in model.hook_dict if names_filter is None or names_filter(name)]
    with model.hooks([(name, keep) for name in names]):
        logits = model(tokens)
    return logits, cache
