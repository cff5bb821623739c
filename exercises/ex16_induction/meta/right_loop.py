"""Loops over everything."""


def induction_scores(patterns, period):
    total = 0
    for query in range(period + 1, patterns.shape[3]):
        total = total + patterns[:, :, :, query, query - period + 1].mean(1)
    return total / (patterns.shape[3] - period - 1)


def accuracy_without(model, tokens, period, heads):
    def make(head):
        def hook(z, hook):
            new = z.clone()
            new[:, :, head, :] = z[:, :, head, :].mean(dim=0, keepdim=True)
            return new

        return hook

    pairs = [(f"blocks.{layer}.attn.hook_z", make(head)) for layer, head in heads]
    logits = model.run_with_hooks(tokens, fwd_hooks=pairs)
    right = total = 0
    for position in range(period + 1, tokens.shape[1] - 1):
        right += int((logits[:, position].argmax(-1) == tokens[:, position + 1]).sum())
        total += len(tokens)
    return right / total
