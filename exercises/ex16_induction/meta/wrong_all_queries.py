"""The mean goes over every query, those of the first phrase too. They cannot look back by a period, so
the score is too small.
"""

import torch


def induction_scores(patterns, period):
    queries = torch.arange(period + 1, patterns.shape[-1])
    return patterns[..., queries, queries - period + 1].sum(3).mean(1) / patterns.shape[-1]


def accuracy_without(model, tokens, period, heads):
    def ablate(z, hook):
        z = z.clone()
        for layer, head in heads:
            if hook.name == f"blocks.{layer}.attn.hook_z":
                z[:, :, head] = z[:, :, head].mean((0, 1))
        return z

    names = [f"blocks.{layer}.attn.hook_z" for layer in {layer for layer, _ in heads}]
    with model.hooks([(name, ablate) for name in names]):
        predicted = model(tokens)[:, period + 1 : -1].argmax(-1)
    return (predicted == tokens[:, period + 2 :]).float().mean().item()
