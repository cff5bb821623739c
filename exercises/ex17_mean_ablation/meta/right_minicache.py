"""minicache's own, by labels."""

from contextlib import contextmanager, nullcontext

import torch
from minicache import patching


@contextmanager
def ablate_heads(model, heads, reference):
    labels = [f"L{layer}H{head}" for layer, head in heads]
    _, cache = model.run_with_cache(reference)
    with patching.ablate(model, labels, "mean", cache) if labels else nullcontext():
        yield model


def measure_effects(model, tokens, reference, metric):
    before, rows = metric(model(tokens)), []
    for layer in range(model.cfg.n_layers):
        row = []
        for head in range(model.cfg.n_heads):
            with ablate_heads(model, [(layer, head)], reference):
                row.append(before - metric(model(tokens)))
        rows.append(row)
    return torch.tensor(rows)
