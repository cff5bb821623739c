"""Exercise 19: a hundred patches from one backward pass. Lesson 7.

A patch puts what a head wrote in the clean run into the corrupted run, and the metric changes. To
first order it changes by (clean - corrupted) times the gradient of the metric at the corrupted
run. One backward pass gives this gradient for every head at once.

`attribution_patching(model, clean, corrupted, metric)` gives [layer, pos, head]: for each head and
position the estimated *change* of the metric, if z of that head at that position came from the
clean run.

- `clean` and `corrupted` are tokens, [batch, pos]. `metric` takes logits [batch, pos, d_vocab] and
  gives one number for the whole batch, a tensor that can be differentiated.
- z is [batch, pos, head, d_head], at `blocks.0.attn.hook_z`, `blocks.1.attn.hook_z` and so on.
  Sum over the items and over d_head.
- The gradient is that of the corrupted run, in which nothing is patched. What an early head does
  through later layers is part of it.
- It works for a model whose parameters need no gradient, and for a caller that has turned
  gradients off with `torch.no_grad()`.
- No parameter's `grad` is touched: whatever is there stays, None stays None. The result needs no
  gradient (`requires_grad` is False), so it keeps no graph alive.

    >>> attribution_patching(model, clean, corrupted, metric).shape   # 3 layers, 16 words, 2 heads
    torch.Size([3, 16, 2])

You may use all of minicache, but not its own `attribution_patching`.
"""

import torch


def attribution_patching(model, clean, corrupted, metric):
    raise NotImplementedError
