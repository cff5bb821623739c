"""All patches of a layer in one batch, and the scale at the end."""

import torch


def patch_resid_pre(model, clean_tokens, corrupted_tokens, metric):
    batch, n_pos = corrupted_tokens.shape
    names = [f"blocks.{layer}.hook_resid_pre" for layer in range(model.cfg.n_layers)]
    clean_logits, cache = model.run_with_cache(clean_tokens, names_filter=names)
    stacked = corrupted_tokens.repeat(n_pos, 1)
    place = torch.eye(n_pos, dtype=torch.bool).repeat_interleave(batch, 0)[..., None]
    values = []
    for name in names:

        def put(resid, hook, clean=cache[name].repeat(n_pos, 1, 1)):
            return torch.where(place, clean, resid)

        with model.hooks([(name, put)]):
            logits = model(stacked)
        values.append([float(metric(one)) for one in logits.split(batch)])
    low, high = float(metric(model(corrupted_tokens))), float(metric(clean_logits))
    return (torch.tensor(values) - low) / (high - low)
