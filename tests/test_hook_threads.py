"""A run belongs to its thread: what one call puts on, no other thread's run meets."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread

import pytest
import torch

from minicache import HookPoint
from minicache.hooks.point import Attached
from tests.worlds import Toy, random_model, tokens

INPUT = torch.tensor([[1.0, -2.0, 3.0]])
THREADS, RUNS = 4, 200


def zero(tensor, hook):
    return torch.zeros_like(tensor)


def in_thread(work):
    """What `work()` gives in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def at_once(work):
    """`work(number)` in four threads that start together."""
    start = Barrier(THREADS)

    def begin(number):
        start.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def test_every_cache_of_four_threads_equals_the_one_of_a_run_alone():
    model, name = random_model(1, dtype=torch.float32), "blocks.0.attn.hook_z"

    def plain(ids):
        return model.run_with_cache(ids)[1]

    def ablated(ids):
        with model.hooks([(name, zero)]):
            return model.run_with_cache(ids)[1]

    def scaled(ids):
        with model.hooks([("hook_embed", lambda t, hook: (1 + ids[0, 0]) * t)]):
            return {"logits": model(ids)}

    works = (plain, ablated, scaled)
    prompts = [tokens(1 + number % 2, 2 + number, seed=number) for number in range(THREADS)]
    alone = [[work(ids) for work in works] for ids in prompts]

    def unequal(number):
        wrong = 0
        with torch.no_grad():
            for turn in range(RUNS):
                got = works[turn % 3](prompts[number])
                expected = alone[number][turn % 3]
                same = list(got) == list(expected)
                wrong += not (same and all(torch.equal(got[n], expected[n]) for n in got))
        return wrong

    assert at_once(unequal) == [0] * THREADS
    assert not any(point.fwd_hooks for point in model.hook_points())


def test_hooks_come_and_go_in_many_threads_and_no_permanent_one_is_lost():
    model = Toy()

    def work(number):
        for _ in range(RUNS):
            model.add_perma_hook("hook_out", zero)
            with model.hooks([("hook_out", zero)]):
                model.reset_hooks()

    at_once(work)
    assert len(model.hook_out.fwd_hooks) == THREADS * RUNS


def test_gradients_of_four_threads_are_those_of_a_run_alone():
    model = random_model(1)
    prompts = [tokens(1, 2 + number, seed=number) for number in range(THREADS)]

    def run(number):
        return model.run_with_cache(prompts[number], return_type="loss", incl_bwd=True)[1]

    alone = [run(number) for number in range(THREADS)]

    def unequal(number):
        return sum(
            not all(torch.equal(cache[name], alone[number][name]) for name in alone[number])
            for cache in (run(number) for _ in range(20))
        )

    assert at_once(unequal) == [0] * THREADS


def test_a_hook_that_another_thread_takes_off_hides_no_other_hook():
    point, seen = HookPoint(), []

    class Leaving(Attached):
        """It goes while the others are asked whether they act, as another thread may let it."""

        def acts_here(self):
            point.detach(self)
            return False

    point.fwd_hooks.append(Leaving(zero, is_permanent=False))
    point.add_hook(lambda tensor, hook: seen.append(tensor))
    point(INPUT)
    assert len(seen) == 1


def test_a_hook_put_on_for_one_thread_does_not_act_in_another():
    model = Toy()
    plain = model(INPUT)
    with model.hooks([("hook_middle", zero)]):
        assert not torch.equal(model(INPUT), plain)
        assert torch.equal(in_thread(lambda: model(INPUT)), plain)
    assert torch.equal(model(INPUT), plain)


@pytest.mark.parametrize("put_on", ["add_hook", "add_perma_hook"])
def test_a_hook_of_the_model_acts_in_every_thread(put_on):
    model, calls = Toy(), []
    getattr(model, put_on)("hook_out", lambda t, hook: calls.append(1))
    in_thread(lambda: model(INPUT))
    model(INPUT)
    assert calls == [1, 1]


def test_a_hook_left_on_at_the_end_is_the_models_and_acts_in_every_thread():
    model, calls = Toy(), []
    mine = [("hook_out", lambda t, hook: calls.append(1))]
    in_thread(lambda: model.run_with_hooks(INPUT, fwd_hooks=mine, reset_hooks_end=False))
    model(INPUT)
    assert calls == [1, 1]


def test_reset_hooks_takes_no_hook_off_that_another_thread_put_on_for_its_run():
    model, calls = Toy(), []
    with model.hooks([("hook_out", lambda t, hook: calls.append(1))]):
        in_thread(lambda: model.reset_hooks(including_permanent=True))
        model(INPUT)
    assert calls == [1]


def test_a_backward_hook_runs_in_whatever_thread_backward_runs():
    model, seen = Toy(), []
    with model.hooks(bwd_hooks=[("hook_out", lambda grad, hook: seen.append(grad.clone()))]):
        output = model(INPUT).sum()
        in_thread(output.backward)
    assert torch.equal(seen[0], torch.ones(1, 2))


def test_a_backward_hook_of_one_thread_sees_no_gradient_of_anothers_graph():
    model, seen = Toy(), []
    with model.hooks(bwd_hooks=[("hook_out", lambda grad, hook: seen.append(grad))]):
        in_thread(lambda: model(INPUT).sum().backward())
        assert seen == []
        model(INPUT).sum().backward()
    assert len(seen) == 1


def test_tasks_that_take_turns_in_one_thread_have_hooks_of_their_own():
    model = Toy()
    plain = model(INPUT)

    async def hooked():
        with model.hooks([("hook_middle", zero)]):
            await asyncio.sleep(0.01)
            return model(INPUT)

    async def unhooked():
        await asyncio.sleep(0.005)
        return model(INPUT)

    async def both():
        return await asyncio.gather(hooked(), unhooked())

    changed, unchanged = asyncio.run(both())
    assert not torch.equal(changed, plain)
    assert torch.equal(unchanged, plain)


def test_a_generator_that_holds_a_block_open_may_be_closed_anywhere():
    model = Toy()

    def held():
        with model.hooks([("hook_middle", zero)]):
            yield model(INPUT)

    plain, first, second = model(INPUT), held(), held()
    assert not torch.equal(next(first), plain)
    next(second)
    first.close()  # the outer block before the inner one
    assert not torch.equal(model(INPUT), plain)
    thread = Thread(target=second.close)
    thread.start()
    thread.join()
    assert torch.equal(model(INPUT), plain)
    assert not any(point.fwd_hooks for point in model.hook_points())


def test_a_thread_that_copies_the_context_takes_part_in_the_block():
    model = Toy()
    plain = model(INPUT)
    with model.hooks([("hook_middle", zero)]):
        here = contextvars.copy_context()
        changed = in_thread(lambda: here.run(model, INPUT))
    assert not torch.equal(changed, plain)


def test_blocks_in_blocks_keep_the_order_in_which_hooks_were_added():
    point, order = HookPoint(), []
    model = Toy()
    model.hook_out = point
    model.setup()

    def note(label):
        return lambda t, hook: order.append(label)

    model.add_hook("hook_out", note("model's"))
    with model.hooks([("hook_out", note("outer"))]):
        model.add_hook("hook_out", note("added inside"))
        with model.hooks([("hook_out", note("inner"))]):
            model(INPUT)
    assert order == ["model's", "outer", "added inside", "inner"]
