"""The gradient with respect to zeros that are added to every z."""

import torch


def attribution_patching(model, clean, corrupted, metric):
    cfg = model.cfg
    _, source = model.run_with_cache(clean)
    _, there = model.run_with_cache(corrupted)
    difference = torch.stack([source["z", i] - there["z", i] for i in range(cfg.n_layers)]).detach()
    with torch.enable_grad():
        added = torch.zeros_like(difference, requires_grad=True)
        hooks = [
            (f"blocks.{layer}.attn.hook_z", lambda z, hook, layer=layer: z + added[layer])
            for layer in range(cfg.n_layers)
        ]
        (gradient,) = torch.autograd.grad(
            metric(model.run_with_hooks(corrupted, fwd_hooks=hooks)), added
        )
    return (difference * gradient).sum(-1).sum(1)
