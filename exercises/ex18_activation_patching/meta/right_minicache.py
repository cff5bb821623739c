"""minicache's own sweep, and a metric on the scale."""

from minicache import patching


def patch_resid_pre(model, clean_tokens, corrupted_tokens, metric):
    logits, cache = model.run_with_cache(clean_tokens)
    low, high = metric(model(corrupted_tokens)), metric(logits)

    def scaled(logits):
        return (metric(logits) - low) / (high - low)

    return patching.get_act_patch_resid_pre(model, corrupted_tokens, cache, scaled)
