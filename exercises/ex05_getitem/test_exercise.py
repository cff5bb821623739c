"""What exercise 5 shows: both spellings, layers from the end, and `in` that agrees with `[]`."""

import torch

from exercises.grader.kit import points

TITLE = "resolution"
LESSON = "lesson 9, Addresses"


def entries(layers, more=True):
    made = {f"blocks.{n}.hook_{name}": torch.tensor([float(n), len(name)])
            for n in layers for name in ("q", "attn_out")}  # fmt: skip
    return made | ({"hook_embed": torch.zeros(2)} if more else {})


# By label: the entries, and n_layers.
WORLDS = {
    "3 layers": (entries(range(3)), 3),
    "12 layers": (entries(range(12)), 12),
    "1 layer": (entries([0], more=False), 1),
    "layers 0 and 2 of 4": (entries([2, 0]), 4),
}
ABSENT = (("kew", 1), ("q", 1, 2, 3), ("q", "1"), ("q", 1.0), (1, "q"), ("q",), (), 1.5, 1, None)


def ask(answer, see, world, address):
    given, n_layers = WORLDS[world]
    see(
        f"{world}: cache[{address!r}]",
        lambda: answer.Cache(given, n_layers)[address],
        cache_dict=given,
    )


def test_a_name_and_a_layer_find_an_activation(answer, see):
    for world, addresses in {
        "3 layers": [("q", 1), ("q", 0), ("q", 2), ("q", -1), ("q", -2), ("q", -3), "hook_embed",
                     "blocks.2.hook_q", "blocks.0.hook_attn_out", ("attn_out", 1)],
        "12 layers": [("q", 1), ("q", 10), ("q", 11), ("q", -12), ("q", -1)],
        "1 layer": [("q", 0), ("q", -1), ("attn_out", 0)],
        "layers 0 and 2 of 4": [("q", 2), ("q", 0), ("q", -2), ("q", -4)],
    }.items():  # fmt: skip
        for address in addresses:
            ask(answer, see, world, address)
    given, n_layers = WORLDS["3 layers"]

    def copies():
        cache = answer.Cache(given, n_layers)
        addresses = {"blocks.2.hook_q": "blocks.2.hook_q", ("q", -1): "blocks.2.hook_q"}
        return [repr(one) for one, name in addresses.items() if cache[one] is not given[name]]

    see("which of cache['blocks.2.hook_q'] and cache['q', -1] are not the entry itself", copies)

    def two():
        one, other = answer.Cache(given, 3), answer.Cache(*WORLDS["1 layer"])
        return torch.stack([one["q", -1], other["q", -1]])

    see("two caches, of 3 layers and of 1: ['q', -1] of each", two)


@points(2)
def test_what_is_not_there_and_what_is_no_address(answer, see):
    for address in (("q", 3), ("q", -4), ("q", 100), ("q", -100), "hook_embd", "q", "qk", *ABSENT):
        ask(answer, see, "3 layers", address)
    ask(answer, see, "3 layers", ["q"])
    for address in (("q", 1), ("q", -1), ("q", 4), ("q", -5)):
        ask(answer, see, "layers 0 and 2 of 4", address)
    for address in (("q", 1), ("q", -2), "hook_embed"):
        ask(answer, see, "1 layer", address)


@points(3)
def test_in_agrees_with_square_brackets(answer, see):
    good = ("hook_embed", "blocks.0.hook_q", ("q", 0), ("q", 1), ("q", -1), ("q", -3))
    bad = (("q", 3), ("q", -4), "hook_embd", "q", "qk", *ABSENT, ["q"])
    for address in (*good, *bad):
        see(
            f"3 layers: {address!r} in cache",
            lambda address=address: address in answer.Cache(*WORLDS["3 layers"]),
        )
    for address in (("q", 2), ("q", 1), ("q", -1), ("q", -2)):
        see(
            f"layers 0 and 2 of 4: {address!r} in cache",
            lambda address=address: address in answer.Cache(*WORLDS["layers 0 and 2 of 4"]),
        )


def test_it_counts_and_iterates(answer, see):
    for world, (given, n_layers) in WORLDS.items():
        if world != "12 layers":
            see(f"{world}: list(cache)", lambda g=given, n=n_layers: list(answer.Cache(g, n)))
        see(f"{world}: len(cache)", lambda g=given, n=n_layers: len(answer.Cache(g, n)))
