"""Exercise 2: hooks that are always taken off. Lesson 2.

Hooks that are left behind are the commonest bug of this trade: the next run is changed, and nothing
says why. Please write a context manager that puts hooks on for the length of a `with` block.

`hooks(model, fwd_hooks)`: `model` is a minicache `HookedRootModule`, `fwd_hooks` a list of pairs
(name, hook).

- Inside the block exactly these hooks are attached as well. It yields the model.
- However the block is left, by its end, a `return` or an exception, exactly these hooks come off.
  Hooks that somebody else attached, before or inside, stay. An exception goes on its way.
- A name that the model does not have raises a KeyError, and then nothing has been attached.

    >>> with hooks(model, [("hook_middle", zero)]) as hooked:
    ...     hooked(x)

You have `model.hook_dict[name]`, and on each hook point `handle = point.attach(hook, "fwd", False,
False)` and `point.detach(handle)`. A class with `__enter__` and `__exit__` is as good as
`contextlib.contextmanager`.

You may use all of minicache, but not its own `hooks`.
"""

from contextlib import contextmanager


@contextmanager
def hooks(model, fwd_hooks):
    raise NotImplementedError
    yield model
