"""Exercise 13: from parts to logits. Lesson 5.

A token's logit is the normalized stream's dot product with the token's column of W_U, plus its b_U.
So each part of the stream has a share in it. Please compute the shares in the logit of the token
that really came next.

`logit_attrs(model, parts, scale, tokens)` gives (shares, constant):

- `parts` is [component, batch, pos, d_model], parts that sum to the final stream. `scale` is what
  the final LayerNorm divided by, [batch, pos, 1]. `tokens` is [batch, pos].
- `shares` is [component, batch, pos - 1]: at position p, the part's share in the logit of the token
  at p + 1. The last position predicts nothing that we know.
- `constant` is [batch, pos - 1]: what no part owns, from the LayerNorm's bias `model.ln_final.b`
  and from `model.b_U`.

    >>> shares, constant = logit_attrs(model, parts, scale, tokens)
    >>> shares.sum(0) + constant   # the logit of each next token, [batch, pos - 1]

You have `model.W_U` [d_model, d_vocab], `model.b_U` [d_vocab], `model.ln_final.w` and
`model.ln_final.b`. Your exercise 12 may serve: `from exercises.earlier import apply_ln`.

You may use all of minicache, but not its own `logit_attrs` or `logit_constant`.
"""


def logit_attrs(model, parts, scale, tokens):
    raise NotImplementedError
