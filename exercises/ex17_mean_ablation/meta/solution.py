"""The reference solution."""

from contextlib import contextmanager

import torch


@contextmanager
def ablate_heads(model, heads, reference):
    picked = {}
    for layer, head in heads:
        picked.setdefault(f"blocks.{layer}.attn.hook_z", []).append(head)
    _, cache = model.run_with_cache(reference)

    def replace(z, hook):
        chosen, z = picked[hook.name], z.clone()
        z[:, :, chosen] = cache[hook.name][:, :, chosen].mean(0)
        return z

    with model.hooks([(name, replace) for name in picked]):
        yield model


@torch.no_grad()
def measure_effects(model, tokens, reference, metric):
    whole = metric(model(tokens))
    effects = torch.zeros(model.cfg.n_layers, model.cfg.n_heads)
    for layer, row in enumerate(effects):
        for head in range(len(row)):
            with ablate_heads(model, [(layer, head)], reference):
                row[head] = whole - metric(model(tokens))
    return effects
