"""minicache's parts, in a loop over items."""

import torch


def logit_attrs(model, parts, scale, tokens):
    from minicache.analysis.frozen_norm import FrozenNorm

    ln = FrozenNorm(model.ln_final.w, model.ln_final.b, scale)
    rows, constants = [], []
    for item, words in enumerate(tokens):
        d = model.tokens_to_residual_directions(words[1:])
        carried = ln.carry_back(d)
        rows.append((parts[:, item, :-1] * carried).sum(-1) / scale[item, :-1, 0])
        constants.append(d @ model.ln_final.b + model.b_U[words[1:]])
    return torch.stack(rows, dim=1), torch.stack(constants)
