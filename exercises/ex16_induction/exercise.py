"""Exercise 16: a finding. Lesson 8.

Say a random phrase twice. The second time the shipped model knows what comes next. Which heads
do that? You measure where they look, then what happens without them, and then you answer.

The tokens are [batch, 1 + 2 * period]: a first token, then a phrase of `period` words, then the
same phrase again. At a word of the second phrase, an induction head looks at the word that came
*after* the same word in the first.

- `induction_scores(patterns, period)` gives [layer, head]. `patterns` is [layer, batch, head,
  query, key]: how much attention each query pays to each key. The score is the mean, over items
  and over all queries of the second phrase, of the attention to that one place.
- `accuracy_without(model, tokens, period, heads)` gives the share of right predictions (a float)
  when the z of each head in `heads`, a list of (layer, head), is replaced by its mean over the
  items, at each position. Take the mean from a run where nothing is replaced, or from the run at
  hand: here both count as right. With an empty list nothing is replaced. Count the predictions for
  the words of the second phrase from its second word on: those made at positions period + 1 up to
  the last but one. Leave no hook behind, and the hooks of others as they are. Somebody's hook may
  have kept the tensor that yours is given: change a copy.
- `finding(model, tokens, period)` answers (heads, pairs). `heads` is the list of the (layer, head)
  with a score above 0.4. `pairs` is the list of those pairs of them, ((layer, head), (layer,
  head)), that stand in for each other: without either one alone the accuracy stays above 0.75, and
  without both it falls below 0.5. Both lists are in ascending order. It is asked of the shipped
  model, and of others in which other heads do it.

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


def finding(model, tokens, period: int):
    raise NotImplementedError
