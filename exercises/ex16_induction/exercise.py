"""Exercise 16: a finding. Lesson 8.

Say a random phrase twice. The second time the shipped model knows what comes next. Which heads
do that? You measure where they look, and then what happens without them.

The tokens are [batch, 1 + 2 * period]: a first token, then a phrase of `period` words, then the
same phrase again. At a word of the second phrase, an induction head looks at the word that came
*after* the same word in the first.

- `induction_scores(patterns, period)` gives [layer, head]. `patterns` is [layer, batch, head,
  query, key]: how much attention each query pays to each key. The score is the mean, over items
  and over all queries of the second phrase, of the attention to that one place.
- `accuracy_without(model, tokens, period, heads)` gives the share of right predictions (a float)
  when the z of each head in `heads`, a list of (layer, head), is replaced by its mean over the
  items of this run, at each position. Count the predictions for the words of the second phrase from
  its second word on: those made at positions period + 1 up to the last but one. Leave no hook
  behind.

    >>> _, cache = model.run_with_cache(tokens)
    >>> induction_scores(cache.stack_activation("pattern"), period).shape
    torch.Size([3, 2])

z is [batch, pos, head, d_head], at the hook point `blocks.1.attn.hook_z`. Try it: which heads score
high? Take one away, then all of them. Are you surprised?

You may use all of minicache, but not its own `induction_score`.
"""

import torch


def induction_scores(patterns, period: int):
    raise NotImplementedError


def accuracy_without(model, tokens, period: int, heads) -> float:
    raise NotImplementedError
