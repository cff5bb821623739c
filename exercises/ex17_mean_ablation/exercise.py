"""Exercise 17: mean ablation. Lesson 6.

What does the model need? Take a part away, and see what is lost. Nothing can be *taken* away from a
sum: something else stands in its place. The mean of the part over many other inputs keeps what is
usual at each position, and loses what is particular to this input.

`ablate_heads(model, heads, reference)` is a context manager, and gives the model:

- `heads` is a list of pairs (layer, head), of any layers. In the block the z of these heads is
  replaced in every run, and no other head's. No pair: nothing is replaced. The same pair twice is
  as good as once.
- What stands in its place is the mean of the head's z over the items of `reference`, at each
  position by itself. `reference` is tokens [item, pos]. The mean is that of a run before any of
  `heads` is ablated; hooks that others have put on the model are on in it. The runs in the block
  have as many positions as `reference`, and any number of items.
- However the block is left, its hooks come off, and only they. Somebody's hook may have kept the
  tensor that yours is given: change a copy.

`measure_effects(model, tokens, reference, metric)` gives [layer, head]: by how much the metric
falls when this one head is ablated. That is the metric of the run of `tokens` as it is, less that
of the run without the head. `metric(logits)` is one number.

    >>> with ablate_heads(model, [(0, 1), (2, 0)], reference):
    ...     logits = model(tokens)

z is [batch, pos, head, d_head], at the hook point `blocks.1.attn.hook_z` for layer 1. Your exercise
2 may serve: `from exercises.earlier import hooks`. Then try `measure_effects` on the sentences of
lesson 6, with the difference of two logits, and hold it beside the shares of lesson 5.

You may use all of minicache, but not its own `ablate`.
"""

from contextlib import contextmanager

import torch


@contextmanager
def ablate_heads(model, heads, reference):
    raise NotImplementedError
    yield model


def measure_effects(model, tokens, reference, metric):
    raise NotImplementedError
