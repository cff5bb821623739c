"""functools.partial, and hooks that are on while the metric is called."""

from functools import partial

import torch


def put(resid, hook, clean, pos):
    return torch.cat([resid[:, :pos], clean[:, pos : pos + 1], resid[:, pos + 1 :]], dim=1)


def measure(model, tokens, metric, *hooks):
    with model.hooks(list(hooks)):
        return torch.as_tensor(metric(model(tokens)), dtype=torch.float64)


def patch_resid_pre(model, clean_tokens, corrupted_tokens, metric):
    kept = {}

    def keep(resid, hook):
        kept[hook.name] = resid

    high = measure(model, clean_tokens, metric, (lambda name: name.endswith("resid_pre"), keep))
    low = measure(model, corrupted_tokens, metric)
    rows = [
        torch.stack(
            [
                measure(model, corrupted_tokens, metric, (name, partial(put, clean=clean, pos=pos)))
                for pos in range(corrupted_tokens.shape[1])
            ]
        )
        for name, clean in kept.items()
    ]
    return torch.stack(rows).sub(low).div(high - low)
