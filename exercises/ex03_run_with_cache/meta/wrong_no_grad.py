"""The run happens with autodiff off, so the logits have lost their graph. Observing must not
change the run: detach what you store, and leave the run as it is.
"""

import torch


def run_with_cache(model, tokens, names_filter=None):
    cache = {}

    def keep(tensor, hook):
        cache[hook.name] = tensor.detach()

    names = [name for name in model.hook_dict if names_filter is None or names_filter(name)]
    with model.hooks([(name, keep) for name in names]):
        with torch.no_grad():
            logits = model(tokens)
    return logits, cache
