"""Your hook runs before the user's hooks, and caches a tensor that the model never used. Append
your hook: hooks run in the order added, so the last one sees what flows on.
"""


def run_with_cache(model, tokens, names_filter=None):
    cache, tickets = {}, []

    def keep(tensor, hook):
        cache[hook.name] = tensor.detach()

    for name, point in model.hook_dict.items():
        if names_filter is None or names_filter(name):
            tickets.append((point, point.attach(keep, "fwd", False, True)))
    try:
        return model(tokens), cache
    finally:
        for point, ticket in tickets:
            point.detach(ticket)
