"""backward() on a copy of the model, which may have gradients of its own."""

from copy import deepcopy

import torch


def attribution_patching(model, clean, corrupted, metric):
    twin = deepcopy(model).requires_grad_(True)
    layers = range(model.cfg.n_layers)
    names = [f"blocks.{layer}.attn.hook_z" for layer in layers]
    with torch.enable_grad():
        _, source = twin.run_with_cache(clean)
        saved = {}

        def keep(z, hook):
            z.retain_grad()
            saved[hook.name] = z

        logits = twin.run_with_hooks(corrupted, fwd_hooks=[(name, keep) for name in names])
        metric(logits).backward()
    parts = [saved[name].grad * (source[name].detach() - saved[name].detach()) for name in names]
    return torch.stack([part.sum(-1).sum(0) for part in parts])
