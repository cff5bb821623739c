"""What exercise 11 shows: every term once, in the order of its label, and that they sum up."""

from functools import cache

import torch

from exercises.grader.kit import patient, points

TITLE = "the stream as a sum of parts"
LESSON = "lesson 4, decompose_resid"
AXES = "component batch pos d_model"
WORLDS = {
    "2 layers": ({"n_layers": 2}, (2, 1, 0)),
    "4 layers, batch 1": ({"n_layers": 4, "batch": 1}, (3,)),
    "1 layer, 1 position, float32": ({"n_layers": 1, "pos": 1, "dtype": torch.float32}, (1,)),
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
    label = f"decompose_resid({said})"

    def call():
        stack, labels = answer.decompose_resid(acts, layer, **given)
        return stack, list(labels)

    see(f"{label}, {world}: labels", lambda: call()[1], cache=acts)
    see(f"{label}, {world}: stack", lambda: call()[0], AXES, cache=acts)


def test_the_parts_before_a_place_in_the_order_of_their_labels(answer, see):
    for world, (_, layers) in WORLDS.items():
        for layer in layers:
            ask(answer, see, world, layer)


@points(2)
def test_the_place_before_an_mlp(answer, see):
    ask(answer, see, "2 layers", 0, mlp_input=True)
    ask(answer, see, "2 layers", 1, mlp_input=True)
    ask(answer, see, "4 layers, batch 1", 2, mlp_input=True)
    ask(answer, see, "1 layer, 1 position, float32", 0, mlp_input=True)


@points(2)
def test_a_second_call_and_the_sum(answer, see):
    acts = cache_of(n_layers=2)

    def second(*given):
        answer.decompose_resid(acts, 2)
        return answer.decompose_resid(acts, *given)

    see("after another call: decompose_resid(cache, 1)[1]", lambda: second(1)[1], cache=acts)
    see(
        "decompose_resid(cache, 2)[0].sum(0)",
        lambda: second(2)[0].sum(0),
        "batch pos d_model",
        cache=acts,
    )
    see(
        "decompose_resid(cache, 1, True)[0].sum(0)",
        lambda: second(1, True)[0].sum(0),
        "batch pos d_model",
        cache=acts,
    )
