"""Exercise 10: the stream as a running sum. Lesson 4.

The residual stream grows from block to block. Please stack it as it stood at each place.

`accumulated_resid(cache, layer, apply_ln=False)` gives a tensor [component, batch, pos, d_model].
`cache` is a minicache `ActivationCache`, `layer` runs from 0 to n_layers.

- One row for each block up to and with `layer`: the stream as it stood before that block. For
  layer = n_layers the last row is the stream after the last block. So there are layer + 1 rows.
- With `apply_ln`, each row goes through the LayerNorm that reads the stream at `layer`, with the
  scale that this LayerNorm had on the run: centre the row, divide by the scale, and multiply by the
  weight `w`. Leave the bias out. That LayerNorm is `ln1` of block `layer`, or `ln_final`.

    >>> accumulated_resid(cache, 2).shape   # 2 layers, batch 2, 5 positions
    torch.Size([3, 2, 5, 10])

You have `cache["resid_pre", 0]`, `cache["resid_post", 1]`, `cache["scale", 1, "ln1"]`,
`cache["ln_final.hook_scale"]`, `cache.model.cfg.n_layers` and `cache.model.blocks[1].ln1.w`.

You may use all of minicache, but not its own `accumulated_resid`.
"""

import torch


def accumulated_resid(cache, layer: int, apply_ln: bool = False):
    raise NotImplementedError
