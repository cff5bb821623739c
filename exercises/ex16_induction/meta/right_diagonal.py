"""torch.diagonal, and a mask of heads."""

import torch


def induction_scores(patterns, period):
    stripe = patterns.diagonal(offset=1 - period, dim1=-2, dim2=-1)
    return stripe[..., 2:].mean(dim=(1, -1))


def accuracy_without(model, tokens, period, heads):
    mask = torch.zeros(model.cfg.n_layers, model.cfg.n_heads, dtype=torch.bool)
    for layer, head in heads:
        mask[layer, head] = True

    def ablate(z, hook):
        mean = z.mean(0, keepdim=True)
        return torch.where(mask[hook.layer()][:, None], mean, z)

    with model.hooks([(lambda name: name.endswith("hook_z"), ablate)]):
        logits = model(tokens)
    hits = logits[:, period + 1 : -1].argmax(-1) == tokens[:, period + 2 :]
    return float(hits.double().mean())


def finding(model, tokens, period):
    patterns = torch.stack(
        [model.run_with_cache(tokens)[1]["pattern", layer] for layer in range(model.cfg.n_layers)]
    )
    scores, heads, pairs = induction_scores(patterns, period), [], []
    for layer in range(model.cfg.n_layers):
        for head in range(model.cfg.n_heads):
            if scores[layer, head] > 0.4:
                heads.append((layer, head))
    alone = {one: accuracy_without(model, tokens, period, [one]) for one in heads}
    for i, one in enumerate(heads):
        for two in heads[i + 1 :]:
            both = accuracy_without(model, tokens, period, [one, two])
            if min(alone[one], alone[two]) > 0.75 and both < 0.5:
                pairs.append((one, two))
    return heads, pairs
