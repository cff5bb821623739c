"""The reference solution."""

import torch


@torch.no_grad()
def patch_resid_pre(model, clean_tokens, corrupted_tokens, metric):
    clean_logits, cache = model.run_with_cache(clean_tokens)
    high, low = metric(clean_logits), metric(model(corrupted_tokens))
    sweep = torch.zeros(model.cfg.n_layers, corrupted_tokens.shape[1])
    for layer, row in enumerate(sweep):
        for pos in range(len(row)):

            def put(resid, hook):
                resid = resid.clone()
                resid[:, pos] = cache[hook.name][:, pos]
                return resid

            hooks = [(f"blocks.{layer}.hook_resid_pre", put)]
            patched = metric(model.run_with_hooks(corrupted_tokens, fwd_hooks=hooks))
            row[pos] = (patched - low) / (high - low)
    return sweep
