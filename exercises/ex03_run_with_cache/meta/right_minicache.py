"""minicache's own, without the wrapper."""


def run_with_cache(model, tokens, names_filter=None):
    return model.run_with_cache(tokens, names_filter=names_filter, return_cache_object=False)
