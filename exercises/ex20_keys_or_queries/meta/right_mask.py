"""torch.where over a mask of heads, hooks by hand, and the logic of the verdict spelt out."""

import torch


def patch_input(model, tokens, source, which, layer, head):
    point = model.hook_dict[f"blocks.{layer}.attn.hook_{which}"]
    kept = []
    handle = point.attach(lambda activation, hook: kept.append(activation), "fwd", False, False)
    try:
        model(source)
    finally:
        point.detach(handle)
    mask = (torch.arange(model.cfg.n_heads) == head)[:, None]
    handle = point.attach(
        lambda activation, hook: torch.where(mask, kept[0], activation), "fwd", False, False
    )
    try:
        return model(tokens)
    finally:
        point.detach(handle)


def measure_inputs(model, clean, corrupted, metric, layer, head):
    with torch.no_grad():
        low = metric(model(corrupted)).item()
        span = metric(model(clean)).item() - low
        patched = [
            metric(patch_input(model, corrupted, clean, which, layer, head)).item()
            for which in ("q", "k", "v")
        ]
    return {which: (one - low) / span for which, one in zip("qkv", patched)}


def find_carrier(shares):
    found = None
    for which, share in shares.items():
        if share > 0.1 and (found is None or share > shares[found]):
            found = which
    return found
