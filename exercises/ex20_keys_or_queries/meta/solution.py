"""The reference solution."""


def patch_input(model, tokens, source, which, layer, head):
    name = f"blocks.{layer}.attn.hook_{which}"
    _, cache = model.run_with_cache(source, names_filter=name)

    def patch(activation, hook):
        changed = activation.clone()
        changed[:, :, head] = cache[name][:, :, head]
        return changed

    return model.run_with_hooks(tokens, fwd_hooks=[(name, patch)])


def measure_inputs(model, clean, corrupted, metric, layer, head):
    high, low = float(metric(model(clean))), float(metric(model(corrupted)))
    shares = {}
    for which in "qkv":
        value = float(metric(patch_input(model, corrupted, clean, which, layer, head)))
        shares[which] = (value - low) / (high - low)
    return shares


def find_carrier(shares):
    best = max(shares, key=shares.get)
    return best if shares[best] > 0.1 else None
