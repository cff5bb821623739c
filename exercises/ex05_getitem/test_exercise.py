"""What exercise 5 shows: three spellings, layers from the end, and `in` that agrees with `[]`."""

import torch

from exercises.grader.kit import points

TITLE = "resolution"
LESSON = "lesson 9, Addresses"
ENTRIES = {f"blocks.{layer}.hook_q": torch.tensor([float(layer), 7.0]) for layer in range(3)}
ENTRIES["hook_embed"] = torch.tensor([9.0, 9.0])


def cache(answer):
    return answer.Cache(ENTRIES, n_layers=3)


@points(2)
def test_a_name_and_a_layer_find_an_activation(answer, see):
    see("cache['q', 1]", lambda: cache(answer)["q", 1])
    see("cache['blocks.2.hook_q']", lambda: cache(answer)["blocks.2.hook_q"])
    see("cache['hook_embed']", lambda: cache(answer)["hook_embed"])
    see(
        "cache['q', 2] is the entry itself",
        lambda: cache(answer)["q", 2] is ENTRIES["blocks.2.hook_q"],
    )


def test_layer_0_and_layers_from_the_end(answer, see):
    see("cache['q', 0]", lambda: cache(answer)["q", 0])
    see("cache['q', -1]", lambda: cache(answer)["q", -1])
    see("cache['q', -3]", lambda: cache(answer)["q", -3])


def test_a_layer_out_of_range_is_an_index_error(answer, see):
    see("cache['q', 3]", lambda: cache(answer)["q", 3])
    see("cache['q', -4]", lambda: cache(answer)["q", -4])


def test_what_is_not_there_and_what_is_no_address(answer, see):
    see("cache['hook_embd']", lambda: cache(answer)["hook_embd"])
    see("cache['kew', 1]", lambda: cache(answer)["kew", 1])
    for wrong in (1.5, None, ("q", "1"), ("q", 1, 2, 3)):
        see(f"cache[{wrong!r}]", lambda wrong=wrong: cache(answer)[wrong])


def test_in_agrees_with_square_brackets(answer, see):
    for address in ("hook_embed", ("q", 1), ("q", -1), ("q", 3), "hook_embd", None, ("q", "1")):
        see(f"{address!r} in cache", lambda address=address: address in cache(answer))
    see("list(cache)", lambda: list(cache(answer)))
    see("len(cache)", lambda: len(cache(answer)))
