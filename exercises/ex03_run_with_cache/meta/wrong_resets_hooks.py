"""After your run the user's own hooks are gone. Take off only what you attached; the context
`model.hooks(..)` does that for you.
"""


def run_with_cache(model, tokens, names_filter=None):
    cache = {}

    def keep(tensor, hook):
        cache[hook.name] = tensor.detach()

    names = [name for name in model.hook_dict if names_filter is None or names_filter(name)]
    with model.hooks([(name, keep) for name in names]):
        logits = model(tokens)
    model.reset_hooks()
    return logits, cache
