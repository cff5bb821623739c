"""Exercise 20: keys or queries? Lesson 8.

Two inputs differ, and a head carries the difference. By which of its own inputs does it get it: by
what it looks for (its queries), by what it can find (its keys), or by what stands there (its
values)? Patch one of the three alone, and let the numbers say.

- `patch_input(model, tokens, source, which, layer, head)` gives the logits of `tokens`, run with
  one change: `which` ("q", "k" or "v") of this one head, at all positions, is that of a run of
  `source`. Both are tokens [batch, pos] of the same shape. The point is `blocks.1.attn.hook_q` (and
  `hook_k`, `hook_v`); the activation is [batch, pos, head, d_head].
- `measure_inputs(model, clean, corrupted, metric, layer, head)` gives a dictionary with the keys
  "q", "k" and "v": how much of the metric comes back when only that input of the head comes from
  the clean run, and all else is the corrupted run. 0 is the corrupted run's metric, 1 the clean
  run's; less than 0 and more than 1 are possible. `metric` takes logits and gives one number.
- `find_carrier(shares)` takes such a dictionary, and says which input carries the difference: the
  one with the largest share, if that is more than 0.1, and None if it is not.

A model may have hooks of its caller. They stay on, run in every run, and what they were given stays
as it was.

    >>> shares = measure_inputs(model, clean, corrupted, metric, layer=1, head=1)
    >>> find_carrier(shares)

Try it, with phrases that are said twice (exercise 16). First let the clean and the corrupted tokens
differ in the last word alone, then only in two words of the first phrase. Which input of L1H1
carries the difference, in each?

You may use all of minicache, but not its own `generic_activation_patch`.
"""


def patch_input(model, tokens, source, which: str, layer: int, head: int):
    raise NotImplementedError


def measure_inputs(model, clean, corrupted, metric, layer: int, head: int) -> dict[str, float]:
    raise NotImplementedError


def find_carrier(shares: dict[str, float]) -> str | None:
    raise NotImplementedError
