"""The reference solution."""

import torch


def is_z(name):
    return name.endswith("hook_z")


def attribution_patching(model, clean, corrupted, metric):
    with torch.no_grad():
        _, source = model.run_with_cache(clean, names_filter=is_z)
    here = {}

    def keep(z, hook):
        if not z.requires_grad:
            z = z.detach().requires_grad_()
        here[hook.layer()] = z
        return z

    with torch.enable_grad():
        value = metric(model.run_with_hooks(corrupted, fwd_hooks=[(is_z, keep)]))
        seen = [here[layer] for layer in range(model.cfg.n_layers)]
        grads = torch.autograd.grad(value, seen)
    rows = []
    for layer, (z, grad) in enumerate(zip(seen, grads)):
        rows.append(((source["z", layer] - z) * grad).sum((0, 3)))
    return torch.stack(rows).detach()
