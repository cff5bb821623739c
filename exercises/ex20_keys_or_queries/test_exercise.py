"""What exercise 20 shows: logits with one input of one head patched, shares, and a verdict."""

from functools import cache

import torch

from exercises.grader.kit import patient, points
from minicache import HookedTransformer
from minicache.cli.corpus import CONTENT

TITLE = "keys or queries"
LESSON = "lesson 8, A finding"
CLEAN = torch.tensor([[1, 2, 3, 4, 5], [6, 1, 7, 2, 8], [9, 9, 10, 0, 3]])
CORRUPTED = torch.tensor([[4, 2, 8, 4, 5], [6, 3, 7, 10, 8], [2, 9, 1, 0, 7]])
# What is patched, and where: layers, heads, items, positions.
WORLDS = {
    "2 layers of 3 heads": ({}, 2, 5, [("q", 0, 1), ("k", 1, 2), ("v", 0, 0)]),
    "1 layer, batch 1": ({"n_layers": 1, "n_heads": 2}, 1, 4, [("k", 0, 1), ("v", 0, 0)]),
    "4 layers, no MLPs": (
        {"n_layers": 4, "n_heads": 2, "attn_only": True},
        3,
        3,
        [("q", 3, 0), ("k", 2, 1), ("v", 1, 0)],
    ),
}
PERIOD = 12


def difference(logits):
    """A logit difference at the last position."""
    return (logits[:, -1, 3] - logits[:, -1, 7]).mean()


def negated(logits):
    return -difference(logits)


def everywhere(logits):
    """Of all positions, and not linear."""
    return (logits[..., 2] - logits[..., 5]).softmax(1).square().sum().exp()


@cache
def world(name, dtype=torch.float64):
    shape, batch, pos, _ = WORLDS[name]
    model = patient(**shape).to(dtype)
    return {"model": model, "tokens": CORRUPTED[:batch, :pos], "source": CLEAN[:batch, :pos]}


def make_ready():
    for name in WORLDS:
        world(name)
    phrases()


def double(activation, hook):
    return 2 * activation


@points(2)
def test_the_logits_with_one_input_of_one_head_patched(answer, see):
    for name, (_, _, _, places) in WORLDS.items():
        for place in places:
            given = world(name)
            see(
                f"patch_input(model, tokens, source, {', '.join(map(repr, place))})[..., :4], "
                f"{name}",
                lambda g=given, p=place: answer.patch_input(*g.values(), *p)[..., :4],
                "batch pos d_vocab",
                **given,
            )
    given = world("1 layer, batch 1", torch.float32)
    see(
        "patch_input(model, tokens, source, 'q', 0, 0), float32",
        lambda: answer.patch_input(*given.values(), "q", 0, 0),
        "batch pos d_vocab",
        **given,
    )


def shares_of(answer, model, tokens, source, metric, layer, head):
    shares = answer.measure_inputs(model, source, tokens, metric, layer, head)
    return torch.tensor([float(shares[which]) for which in "qkv"])


@points(2)
def test_how_much_comes_back_by_each_input(answer, see):
    for name, layer, head, metric in (
        ("2 layers of 3 heads", 1, 2, difference),
        ("2 layers of 3 heads", 0, 1, everywhere),
        ("1 layer, batch 1", 0, 1, everywhere),
        ("4 layers, no MLPs", 0, 0, negated),
    ):
        given = world(name)
        see(
            f"measure_inputs(model, clean, corrupted, {metric.__name__}, {layer}, {head}), {name}",
            lambda g=given, m=metric, p=(layer, head): shares_of(answer, *g.values(), m, *p),
            "input",
            **given,
        )

    def first_of_two():
        model, tokens, source = world("1 layer, batch 1").values()
        first = answer.measure_inputs(model, source, tokens, difference, 0, 1)
        answer.measure_inputs(model, source, tokens, difference, 0, 0)
        return torch.tensor([float(first[which]) for which in "qkv"])

    see(
        "what the first of two calls gave, after the second, for another head",
        first_of_two,
        "input",
    )
    see(
        "the keys of what it gives, sorted",
        lambda: sorted(
            answer.measure_inputs(*world("1 layer, batch 1").values(), difference, 0, 0)
        ),
    )


@points(2)
def test_which_input_carries_the_difference(answer, see):
    for q, k, v in (
        (0.7, 0.2, 0.3),
        (0.1, 0.4, -0.9),
        (0.8, 0.3, 1.5),
        (-0.5, -0.2, -3),
        (0.05, 0.1, 0.02),
        (0.0, 0.11, 0.1),
        (0.2, 0.3, 0.25),
        (0.1, 0.2, 0.9),
        (1.2, 0.3, 1.5),
    ):
        shares = {"v": v, "q": q, "k": k}
        see(f"find_carrier({shares})", lambda s=shares: answer.find_carrier(s), shares=shares)


@cache
def phrases():
    """The shipped model; tokens [item, pos]: clean, with another last word, and with two words of
    the first phrase swapped; and the two words that may come next."""
    model = HookedTransformer.from_pretrained().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    known = torch.tensor([model.to_single_token(word) for word in CONTENT])
    shuffled = (torch.randperm(len(known), generator=generator) for _ in range(4))
    words = torch.stack([known[order[:PERIOD]] for order in shuffled])
    first = torch.full((4, 1), model.tokenizer.bos_token_id)
    clean = torch.cat([first, words, words[:, :5]], dim=1)
    last, order = clean.clone(), clean.clone()
    last[:, -1] = words[:, 2]
    order[:, 5], order[:, 3] = words[:, 2], words[:, 4]
    names = words[:, [5, 3]]
    return model, clean, last, order, names


@points(2)
def test_what_carries_it_in_the_shipped_model(answer, see):
    model, clean, last, order, names = phrases()

    def metric(logits):
        return (logits[:, -1].gather(1, names) @ torch.tensor([1.0, -1.0])).mean()

    def found(corrupted, layer, head):
        return answer.find_carrier(
            answer.measure_inputs(model, clean, corrupted, metric, layer, head)
        )

    see("what carries it into L0H1, with another last word", lambda: found(last, 0, 1))
    see("what carries it into L1H1, with another last word", lambda: found(last, 1, 1))
    see("what carries it into L0H0, with another first phrase", lambda: found(order, 0, 0))
    see("what carries it into L1H1, with another first phrase", lambda: found(order, 1, 1))


@points(2)
def test_the_hooks_of_others_stay_and_run(answer, see):
    _, tokens, source = world("2 layers of 3 heads").values()
    model, kept = patient(), []
    given = {"model": model, "tokens": tokens, "source": source}

    def keep(activation, hook):
        kept.append((activation, activation.clone()))

    model.add_hook("blocks.1.attn.hook_q", keep, is_permanent=True)
    model.add_hook("blocks.0.hook_resid_pre", double)
    model.add_hook("blocks.1.attn.hook_k", double, is_permanent=True)
    for which, layer, head in (("q", 1, 0), ("k", 1, 1)):
        see(
            f"patch_input(model, tokens, source, {which!r}, {layer}, {head})[..., :4], with "
            f"somebody's hooks that double the first stream and k of layer 1",
            lambda p=(which, layer, head): answer.patch_input(*given.values(), *p)[..., :4],
            "batch pos d_vocab",
            **given,
        )
    see(
        "measure_inputs(model, clean, corrupted, difference, 0, 1), with these hooks",
        lambda: shares_of(answer, *given.values(), difference, 0, 1),
        "input",
        **given,
    )

    def written_into():
        answer.patch_input(*given.values(), "q", 1, 2)
        return sum(not torch.equal(one, then) for one, then in kept)

    see("activations that somebody's hook had kept, and that changed afterwards", written_into)
