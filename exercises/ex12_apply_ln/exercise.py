"""Exercise 12: LayerNorm is linear, once its scale is known. Lesson 5.

A LayerNorm turns x into (x - mean(x)) / scale * w + b, and the scale depends on all of x. Fix the
scale at what it was on the run, and the rest is linear: then each part of x has a share of the
result. Please compute the shares.

`apply_ln(parts, scale, weight)`:

- `parts` is [component, batch, pos, d_model]. Their sum over components is x.
- `scale` is [batch, pos, 1]: what the LayerNorm divided by on the run. `weight` is its w.
- The result has the shape of `parts`. Its sum over components is LN(x) - b: the bias is no part's
  doing, and is left out.

    >>> ln = model.ln_final
    >>> shares = apply_ln(cache.decompose_resid(), cache["ln_final.hook_scale"], ln.w)
    >>> torch.allclose(shares.sum(0) + ln.b, ln(cache["resid_post", -1]))
    True

You may use all of minicache, but not its own `apply_ln_to_stack` or `FrozenNorm`.
"""


def apply_ln(parts, scale, weight):
    raise NotImplementedError
