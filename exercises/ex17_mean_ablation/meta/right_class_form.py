"""A class, handles, and a mask of heads."""

import torch


class ablate_heads:
    def __init__(self, model, heads, reference):
        self.model, self.heads, self.reference = model, heads, reference

    def __enter__(self):
        self.handles, means = [], {}
        points = {layer: self.model.blocks[layer].attn.hook_z for layer, _ in self.heads}
        with self.model.hooks(
            [(p.name, lambda z, hook: means.update({hook.name: z})) for p in points.values()]
        ):
            self.model(self.reference)
        for layer, point in points.items():
            mask = torch.zeros(self.model.cfg.n_heads, 1, dtype=torch.bool)
            for which, head in self.heads:
                if which == layer:
                    mask[head] = True

            def replace(z, hook, mask=mask, mean=means[point.name].mean(0, keepdim=True)):
                return torch.where(mask, mean, z)

            self.handles.append((point, point.attach(replace, "fwd", False, False)))
        return self.model

    def __exit__(self, *error):
        for point, handle in self.handles:
            point.detach(handle)


def measure_effects(model, tokens, reference, metric):
    cfg, effects = model.cfg, []
    for layer in range(cfg.n_layers):
        for head in range(cfg.n_heads):
            with ablate_heads(model, [(layer, head)], reference):
                effects.append(float(metric(model(tokens))))
    return (metric(model(tokens)) - torch.tensor(effects)).reshape(cfg.n_layers, cfg.n_heads)
