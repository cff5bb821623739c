"""What exercise 10 shows: the states before each block, the last one, and the right scale."""

from exercises.grader.kit import points, run

TITLE = "the stream as a running sum"
LESSON = "lesson 4, decompose_resid"
AXES = "component batch pos d_model"


@points(2)
def test_the_states_before_each_block(answer, see):
    _, _, _, cache = run()
    see("accumulated_resid(cache, 1)", lambda: answer.accumulated_resid(cache, 1), AXES)
    see("accumulated_resid(cache, 0)", lambda: answer.accumulated_resid(cache, 0), AXES)


def test_the_last_state_is_after_the_last_block(answer, see):
    _, _, _, cache = run()
    see("accumulated_resid(cache, 2)", lambda: answer.accumulated_resid(cache, 2), AXES)


def test_the_layernorm_that_reads_there(answer, see):
    _, _, _, cache = run()
    for layer in (1, 2, 0):
        label = f"accumulated_resid(cache, {layer}, apply_ln=True)"
        see(label, lambda n=layer: answer.accumulated_resid(cache, n, apply_ln=True), AXES)


def test_the_cache_is_left_as_it_was(answer, see):
    _, _, _, cache = run()
    before = {name: tensor.sum().item() for name, tensor in cache.items()}
    answer.accumulated_resid(cache, 2, apply_ln=True)
    see(
        "is every entry of the cache as it was?",
        lambda: before == {name: tensor.sum().item() for name, tensor in cache.items()},
    )
