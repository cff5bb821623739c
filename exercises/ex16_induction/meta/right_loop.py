"""Loops over everything, and means of a clean run."""


def induction_scores(patterns, period):
    total = 0
    for query in range(period + 1, patterns.shape[3]):
        total = total + patterns[:, :, :, query, query - period + 1].mean(1)
    return total / (patterns.shape[3] - period - 1)


def accuracy_without(model, tokens, period, heads):
    _, clean = model.run_with_cache(tokens)

    def make(head):
        def hook(z, hook):
            new = z.clone()
            new[:, :, head, :] = clean[hook.name][:, :, head, :].mean(dim=0, keepdim=True)
            return new

        return hook

    pairs = [(f"blocks.{layer}.attn.hook_z", make(head)) for layer, head in heads]
    logits = model.run_with_hooks(tokens, fwd_hooks=pairs)
    right = total = 0
    for position in range(period + 1, tokens.shape[1] - 1):
        right += int((logits[:, position].argmax(-1) == tokens[:, position + 1]).sum())
        total += len(tokens)
    return right / total


def finding(model, tokens, period):
    _, cache = model.run_with_cache(tokens)
    scores = induction_scores(cache.stack_activation("pattern"), period)
    heads = [
        (layer, head)
        for layer, row in enumerate(scores.tolist())
        for head, score in enumerate(row)
        if score > 0.4
    ]
    fine = [one for one in heads if accuracy_without(model, tokens, period, [one]) > 0.75]
    both = {(a, b): accuracy_without(model, tokens, period, [a, b])
            for a in fine for b in fine if a < b}  # fmt: skip
    return heads, [pair for pair, accuracy in both.items() if accuracy < 0.5]
