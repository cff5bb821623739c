"""Exercise 11: the stream as a sum of parts. Lesson 4.

Nothing is ever erased from the stream: each layer adds. So the stream at any place is a sum, and
here is its list of terms. Please make it.

`decompose_resid(cache, layer, mlp_input=False)` gives (stack, labels):

- `stack` is [component, batch, pos, d_model]: the token embedding, the position embedding, then of
  each block before `layer` what its attention and what its MLP wrote.
- `mlp_input` asks for the place inside block `layer`, between its attention and its MLP: then that
  block's attention comes last.
- `labels` names the rows in the same order: "embed", "pos_embed", "0_attn_out", "0_mlp_out", ..

    >>> stack, labels = decompose_resid(cache, 1)
    >>> labels
    ['embed', 'pos_embed', '0_attn_out', '0_mlp_out']
    >>> torch.allclose(stack.sum(0), cache["resid_pre", 1])
    True

You have `cache["embed"]`, `cache["pos_embed"]`, `cache["attn_out", 0]` and `cache["mlp_out", 0]`.
What a layer wrote includes its output bias already.

You may use all of minicache, but not its own `decompose_resid`.
"""

import torch


def decompose_resid(cache, layer: int, mlp_input: bool = False):
    raise NotImplementedError
