"""Exercise 3: observe a run. Lesson 3.

`run_with_cache` looks like magic and is twelve lines. Please write it.

`run_with_cache(model, tokens, names_filter=None)` runs the model once and returns (logits, cache):

- `cache` is a dictionary from the name of each hook point to the activation that passed it, in the
  order of the run.
- `names_filter(name)`, if given, says which names to keep. What it refuses is never held, not even
  during the run.
- The logits are those of a plain `model(tokens)`, with their graph.
- A cached tensor is detached, so that the cache does not keep the graph alive. It is no copy: it
  shares its memory with the activation.
- Hooks that a user attached before still work, and stay. Your own come off, also when the run fails
  or is interrupted.
- The cache holds what the model went on with, after those hooks.

    >>> logits, cache = run_with_cache(model, tokens, lambda name: name.endswith("pattern"))

You have `model.hook_dict` and `with model.hooks([(name, hook), ..]):` from exercise 2.

You may use all of minicache, but not its own `run_with_cache` or `get_caching_hooks`.
"""


def run_with_cache(model, tokens, names_filter=None):
    raise NotImplementedError
