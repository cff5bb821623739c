"""A list of activations that fills as the run goes, and one einsum over all layers."""

import torch


def attribution_patching(model, clean, corrupted, metric):
    names = [f"blocks.{layer}.attn.hook_z" for layer in range(model.cfg.n_layers)]
    kept, clean_z = [], []
    model_hooks = [(name, lambda z, hook: clean_z.append(z.detach())) for name in names]
    model.run_with_hooks(clean, fwd_hooks=model_hooks)

    def keep(z, *, hook):
        # A sum with zeros that need a gradient: the graph starts here, or goes on through here.
        kept.append(z + torch.zeros_like(z).requires_grad_())
        return kept[-1]

    with torch.set_grad_enabled(True):
        with model.hooks([(name, keep) for name in names]):
            logits = model(corrupted)
        gradient = torch.stack(torch.autograd.grad(metric(logits), kept))
    difference = torch.stack(clean_z) - torch.stack(kept).detach()
    return torch.einsum("lbphd,lbphd->lph", difference, gradient)
