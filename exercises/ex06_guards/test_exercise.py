"""What exercise 6 shows: the work, the refusal that changes nothing, and the warning."""

from types import SimpleNamespace

import torch

from exercises.grader.kit import logged, optimized, points

TITLE = "raise, assert or log"
LESSON = "lesson 10, Raise, assert or log"


def cache(*batches, has_batch_dim=True):
    entries = {f"entry_{i}": torch.arange(3.0 * b).reshape(b, 3) for i, b in enumerate(batches)}
    return SimpleNamespace(cache_dict=entries, has_batch_dim=has_batch_dim)


def of_all_kinds():
    """A batch of one, in entries of every rank, some with another axis of size 1."""
    one = cache(1, 1)
    one.cache_dict["pattern"] = torch.arange(12.0).reshape(1, 1, 4, 3)
    one.cache_dict["scale"] = torch.arange(4.0).reshape(1, 4, 1)
    one.cache_dict["tokens"] = torch.tensor([[4, 5]])
    one.cache_dict["flag"] = torch.tensor([True])
    return one


def under(answer):
    """The answer as Python runs it, and as `python -O` does."""
    return {
        "": answer.remove_batch_dim,
        "python -O: ": lambda c: optimized(answer).remove_batch_dim(c),
    }


def test_it_drops_a_batch_of_one(answer, see):
    def after(what, one):
        answer.remove_batch_dim(one)
        return what(one)

    see("remove_batch_dim(cache)", lambda: answer.remove_batch_dim(cache(1)))
    see("list(cache.cache_dict)", lambda: after(lambda c: list(c.cache_dict), of_all_kinds()))
    for name in of_all_kinds().cache_dict:
        see(
            f"cache.cache_dict[{name!r}]",
            lambda name=name: after(lambda c: c.cache_dict[name], of_all_kinds()),
        )
    see("cache.has_batch_dim", lambda: after(lambda c: c.has_batch_dim, of_all_kinds()))
    see("an empty cache: cache.has_batch_dim", lambda: after(lambda c: c.has_batch_dim, cache()))

    def two():
        one, other = cache(1), cache(1, 1)
        answer.remove_batch_dim(one)
        return [other.has_batch_dim, list(other.cache_dict["entry_0"].shape)]

    see("[has_batch_dim, shape of entry_0] of another cache", two)


@points(2)
def test_another_batch_is_refused_and_nothing_has_changed(answer, see):
    for python, remove in under(answer).items():
        for batches in ((2, 2), (1, 2), (2, 1), (1, 2, 1), (1, 1, 1, 5), (0,), (1, 0)):
            one = cache(*batches)
            see(
                f"{python}remove_batch_dim(cache) with batches of {batches}",
                lambda one=one, remove=remove: remove(one),
                cache=one,
            )


@points(4)
def test_a_second_time_is_logged_and_harmless(answer, see):
    def log_of(remove, *caches):
        with logged() as records:
            for one in caches:
                remove(one)
        return records

    for python, remove in under(answer).items():
        for batches in ((5,), (1,), (2, 3), ()):
            one = cache(*batches, has_batch_dim=False)
            see(
                f"{python}without a batch axis, first sizes {batches}: what is logged",
                lambda one=one, remove=remove: log_of(remove, one),
                cache=one,
            )
        see(
            f"{python}what the first time logs",
            lambda remove=remove: log_of(remove, cache(1), cache(1)),
        )
        same = cache(1)
        see(
            f"{python}what three times on the same cache log",
            lambda remove=remove, same=same: log_of(remove, same, same, same),
        )
    one = cache(3, has_batch_dim=False)
    see("without a batch axis: what is returned", lambda: answer.remove_batch_dim(one), cache=one)
