"""Exercise 15: run where the inputs are. Lesson 13.

The commonest bug that a laptop never shows: a tensor made on the CPU meets one on the GPU. Please
write this function so that it runs anywhere.

`probe_mean(resid, lengths, probe)` gives [batch], what a linear probe reads, on average:

- `resid` is [batch, pos, d_model]. Of item i, only the first `lengths[i]` positions count. The rest
  is padding, and must not count whatever it holds, NaN included. `lengths` [batch] are whole
  numbers from 1 to pos, on the device of `resid`.
- `probe` is a `torch.nn.Linear(d_model, 1)`. The answer of an item is the mean of the probe's
  output over the item's positions.
- The result is on the device of `resid`.
- The probe may be elsewhere: a cache on the CPU, say, beside a model on the GPU. Then its weights
  come to the data. The probe itself stays where it is, and so do `resid` and `lengths`.

    >>> probe_mean(torch.ones(2, 5, 8), torch.tensor([5, 2]), probe).shape
    torch.Size([2])

The checks use a simulated accelerator, a device called `accel`, which refuses to meet CPU tensors
as a GPU does. Nothing in your code needs to know its name.

You may use all of minicache.
"""

import torch


def probe_mean(resid, lengths, probe):
    raise NotImplementedError
