"""The package's sweep with one index, whose metric keeps the logits."""

from minicache import patching


def patch_input(model, tokens, source, which, layer, head):
    _, cache = model.run_with_cache(source)
    kept = []

    def metric(logits):
        kept.append(logits.clone())
        return logits.sum()

    patching.generic_activation_patch(
        model,
        tokens,
        cache,
        metric,
        patching.layer_head_vector_patch_setter,
        which,
        index_df=[(layer, head)],
        batch_size=1,
    )
    return kept[-1]


def measure_inputs(model, clean, corrupted, metric, layer, head):
    every = {"low": model(corrupted), "high": model(clean)}
    for which in "vkq":
        every[which] = patch_input(model, corrupted, clean, which, layer, head)
    values = {name: float(metric(logits)) for name, logits in every.items()}
    span = values.pop("high") - values["low"]
    low = values.pop("low")
    return {name: (value - low) / span for name, value in values.items()}


def find_carrier(shares):
    best = sorted(shares, key=lambda which: -shares[which])[0]
    if shares[best] <= 0.1:
        return None
    return best
