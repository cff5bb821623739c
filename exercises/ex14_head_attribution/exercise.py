"""Exercise 14: never build what you only project. Lesson 14.

What did each head add to a logit? One may build each head's output, d_model numbers for each
position, and project it onto the token's direction. That is a great deal of memory for one number.
A product is associative: carry the direction back to the heads instead, and meet z there.

`head_attribution(z, W_O, b_O, directions, scale, weight)` gives [layer * head + 1, batch, pos]:

- `z` is [layer, batch, pos, head, d_head], `W_O` [layer, head, d_head, d_model], `b_O`
  [layer, d_model]. A head's output is z @ W_O; an attention layer writes the sum of its heads and
  its b_O.
- `directions` is [batch, d_model]: for each item the direction, after the final LayerNorm, whose
  logit is asked for. `scale` [batch, pos, 1] and `weight` [d_model] are that LayerNorm's.
- Row (layer * n_heads + head) is the head's share: its output through the LayerNorm (centred, over
  the scale, times the weight; exercise 12), dot the direction.
- The last row is the share of all the b_O together, so that the rows sum to the share of all
  attention layers.
- Keep the memory small: never build the heads' outputs, [layer, batch, pos, head, d_model]. What
  your function holds at once, its result included, may take at most a quarter of what they would.

    >>> head_attribution(z, W_O, b_O, directions, scale, weight).shape   # 2 layers of 3 heads
    torch.Size([7, 2, 5])

You may use all of minicache, but not its own `head_logit_attrs`.
"""

import torch
from einops import einsum, rearrange


def head_attribution(z, W_O, b_O, directions, scale, weight):
    raise NotImplementedError
