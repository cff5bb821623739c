"""Exercise 18: activation patching. Lesson 7.

Two texts differ in a few words, and so in what the model says. Where in the model is the difference
carried? Run the corrupted text, put one activation of the clean run in its place, and measure how
much of the clean answer comes back. Do so at every place.

`patch_resid_pre(model, clean_tokens, corrupted_tokens, metric)` gives [layer, pos]:

- Both kinds of tokens are [batch, pos], of the same shape. `metric(logits)` takes the logits of a
  whole run [batch, pos, d_vocab] and gives one number: a tensor without axes, a float or an int.
- The entry at (layer, pos) is from a run of the corrupted tokens, in which the stream before that
  layer is, at that one position and for all items, that of the clean run. Each patch is alone: no
  other place is changed.
- What is given is the metric of that run on a scale on which the run of the corrupted tokens has 0,
  and that of the clean tokens 1. A patch can be below 0 or above 1; leave it so. The two runs never
  have the same metric.
- Hooks that others have put on the model are on in all these runs, and stay on. Yours come off,
  also where the metric raises. Somebody's hook may have kept the tensor that yours is given: change
  a copy.

    >>> sweep = patch_resid_pre(model, clean_tokens, corrupted_tokens, metric)
    >>> sweep.shape    # 3 layers, 15 positions
    torch.Size([3, 15])

The stream before layer 1 is at the hook point `blocks.1.hook_resid_pre`, [batch, pos, d_model]. One
run for each patch is good enough. Then try it on the sentences of lesson 7: by which row and which
word do you see that block 0 moves the name?

You may use all of minicache, but not its own `generic_activation_patch`.
"""

import torch


def patch_resid_pre(model, clean_tokens, corrupted_tokens, metric):
    raise NotImplementedError
