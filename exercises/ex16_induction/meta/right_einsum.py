"""A mask over queries and keys, met by einsum."""

import torch


def induction_scores(patterns, period):
    n = patterns.shape[-1]
    mask = torch.zeros(n, n)
    for query in range(period + 1, n):
        mask[query, query - period + 1] = 1
    mask = mask / mask.sum() / patterns.shape[1]
    return torch.einsum("lbhqk,qk->lh", patterns, mask)


def accuracy_without(model, tokens, period, heads):
    handles = []
    for layer, head in heads:
        point = model.blocks[layer].attn.hook_z

        def flatten(z, hook, head=head):
            z = z.clone()
            z[:, :, head] = z[:, :, head].sum(0) / len(z)
            return z

        handles.append((point, point.attach(flatten, "fwd", False, False)))
    try:
        guess = model(tokens).argmax(-1)
    finally:
        for point, handle in handles:
            point.detach(handle)
    return (guess[:, period + 1 : -1] == tokens[:, period + 2 :]).float().mean().item()


def finding(model, tokens, period):
    with torch.no_grad():
        _, cache = model.run_with_cache(tokens)
    table = induction_scores(cache.stack_activation("pattern"), period)
    heads = sorted((int(layer), int(head)) for layer, head in torch.argwhere(table > 0.4))
    pairs = []
    for a in heads:
        for b in heads:
            without = [accuracy_without(model, tokens, period, gone) for gone in ([a], [b], [a, b])]
            if a < b and without[0] > 0.75 and without[1] > 0.75 and without[2] < 0.5:
                pairs.append([a, b])
    return [heads, pairs]
