"""Heads put together from slices; both runs with model.hooks."""

import torch


def patch_input(model, tokens, source, which, layer, head):
    taken = {}

    def take(activation, *, hook):
        taken["head"] = activation[:, :, head : head + 1].clone()

    def give(activation, *, hook):
        before, after = activation[:, :, :head], activation[:, :, head + 1 :]
        return torch.cat([before, taken["head"], after], dim=2)

    name = f"blocks.{layer}.attn.hook_{which}"
    for ids, hook in ((source, take), (tokens, give)):
        with model.hooks([(name, hook)]):
            logits = model(ids)
    return logits


def measure_inputs(model, clean, corrupted, metric, layer, head):
    shares = {}
    for which in "qkv":
        runs = (
            patch_input(model, corrupted, clean, which, layer, head),
            model(corrupted),
            model(clean),
        )
        value, low, high = (float(metric(logits)) for logits in runs)
        shares[which] = 1 - (high - value) / (high - low)
    return shares


def find_carrier(shares):
    top = max(shares.values())
    names = {share: which for which, share in shares.items()}
    return names[top] if top > 0.1 else None
