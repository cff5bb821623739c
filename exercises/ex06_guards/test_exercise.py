"""What exercise 6 shows: the work, the refusal that changes nothing, and the warning."""

from contextlib import suppress
from types import SimpleNamespace

import torch

from exercises.grader.kit import logged, points, state_kept

TITLE = "raise, assert or log"
LESSON = "lesson 10, Raise, assert or log"


def cache(*batches):
    entries = {f"entry_{i}": torch.arange(3.0 * b).reshape(b, 3) for i, b in enumerate(batches)}
    return SimpleNamespace(cache_dict=entries, has_batch_dim=True)


@points(2)
def test_it_drops_a_batch_of_one(answer, see):
    one = cache(1, 1)
    see("remove_batch_dim(cache)", lambda: answer.remove_batch_dim(one))
    see("list(cache.cache_dict)", lambda: list(one.cache_dict))
    see("cache.cache_dict['entry_1']", lambda: one.cache_dict["entry_1"], "pos")
    see("cache.has_batch_dim", lambda: one.has_batch_dim)


def test_a_larger_batch_is_refused(answer, see):
    see("remove_batch_dim(cache) with a batch of 2", lambda: answer.remove_batch_dim(cache(2, 2)))
    see(
        "remove_batch_dim(cache) with a batch of 1, then one of 2",
        lambda: answer.remove_batch_dim(cache(1, 2)),
    )


def test_after_a_refusal_nothing_has_changed(answer, see):
    def kept(*batches):
        one = cache(*batches)
        before = dict(one.cache_dict)
        with suppress(Exception):
            answer.remove_batch_dim(one)
        return [state_kept(before, one.cache_dict), one.has_batch_dim]

    see("after refusing a batch of 2: [entries as they were, has_batch_dim]", lambda: kept(2))
    see(
        "after refusing batches of 1, 1 and 2: [entries as they were, has_batch_dim]",
        lambda: kept(1, 1, 2),
    )


def test_a_second_time_is_logged_and_harmless(answer, see):
    def twice():
        one = cache(1)
        one.has_batch_dim = False
        before = dict(one.cache_dict)
        with logged() as records:
            answer.remove_batch_dim(one)
        return [*records, state_kept(before, one.cache_dict), one.has_batch_dim]

    see("without a batch axis: [what was logged, entries as they were, has_batch_dim]", twice)

    def quiet():
        with logged() as records:
            answer.remove_batch_dim(cache(1))
        return records

    see("what the first time logs", quiet)
