"""What exercise 10 shows: the states before each block, the last one, and the right scale."""

from functools import cache

import torch

from exercises.grader.kit import patient, points

TITLE = "the stream as a running sum"
LESSON = "lesson 4, decompose_resid"
AXES = "component batch pos d_model"
WORLDS = {
    "2 layers": ({"n_layers": 2}, (0, 1, 2)),
    "4 layers, batch 1": ({"n_layers": 4, "batch": 1}, (2, 4)),
    "1 layer, 1 position, float32": ({"n_layers": 1, "pos": 1, "dtype": torch.float32}, (0, 1)),
}


@cache
def cache_of(n_layers, batch=2, pos=2, dtype=torch.float64):
    model = patient(n_layers).to(dtype)
    tokens = torch.arange(batch * pos).reshape(batch, pos) * 3 % 11
    return model.run_with_cache(tokens)[1]


def make_ready():
    for shape, _ in WORLDS.values():
        cache_of(**shape)


def ask(answer, see, world, layer, **given):
    acts = cache_of(**WORLDS[world][0])
    said = ", ".join([f"cache, {layer}", *(f"{name}={value}" for name, value in given.items())])
    label = f"accumulated_resid({said}), {world}"
    see(label, lambda: answer.accumulated_resid(acts, layer, **given), AXES, cache=acts)


def test_the_states_before_each_block_and_after_the_last(answer, see):
    for world, (_, layers) in WORLDS.items():
        for layer in layers:
            ask(answer, see, world, layer)


@points(3)
def test_the_layernorm_that_reads_there(answer, see):
    for world, (_, layers) in WORLDS.items():
        for layer in layers:
            ask(answer, see, world, layer, apply_ln=True)


@points(5)
def test_the_second_call_gives_what_the_first_gave(answer, see):
    acts = cache_of(n_layers=2)

    def second(*args):
        answer.accumulated_resid(acts, 2, apply_ln=True)
        return answer.accumulated_resid(acts, *args)

    see("after (cache, 2, True): (cache, 1, True)", lambda: second(1, True), AXES, cache=acts)
