"""Matrix products, and a loop over layers."""

import torch


def head_attribution(z, W_O, b_O, directions, scale, weight):
    back = directions * weight
    back -= back.mean(-1, keepdim=True)
    rows = []
    for z_layer, W_layer in zip(z, W_O):
        reads = (W_layer @ back.T).permute(2, 0, 1)
        rows.append(
            torch.matmul(z_layer.unsqueeze(-2), reads[:, None, :, :, None])[..., 0, 0].permute(
                2, 0, 1
            )
        )
    rows.append((back @ b_O.T).sum(-1)[None, :, None].repeat(1, 1, z.shape[2]))
    return torch.cat(rows) / scale.squeeze(-1)
