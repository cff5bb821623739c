"""What exercise 17 shows: whose z is replaced, by what, and what is left on the model."""

from functools import cache
from itertools import count
from random import Random

import torch

from exercises.grader.kit import patient, points
from minicache import HookedTransformer
from minicache.cli.corpus import NAMES, PLACES, THINGS

TITLE = "mean ablation"
LESSON = "lesson 6, A share is not a cause"
WORLDS = {
    "3 layers of 2 heads": {},
    "1 layer, batch 1": {"n_layers": 1, "n_heads": 3, "batch": 1, "items": 2, "pos": 3},
    "2 layers of 3 heads, float32": {
        **{"n_layers": 2, "n_heads": 3, "batch": 2, "items": 3, "pos": 4},
        "dtype": torch.float32,
    },
    "all sizes 4": dict.fromkeys(("n_layers", "n_heads", "batch", "items", "pos"), 4),
}


@cache
def world(n_layers=3, n_heads=2, batch=1, items=5, pos=6, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "model": patient(n_layers, n_heads).to(dtype),
        "tokens": torch.randint(0, 11, (batch, pos), generator=generator),
        "reference": torch.randint(0, 11, (items, pos), generator=generator),
    }


def make_ready():
    for shape in (*WORLDS.values(), {"n_layers": 2}):
        world(**shape)
    names()


def run(answer, given, heads, look=lambda model, tokens: model(tokens)[..., :2]):
    """What a look at the model shows inside the block."""
    with answer.ablate_heads(given["model"], heads, given["reference"]) as model:
        return look(model, given["tokens"])


def z_of(layer):
    def look(model, tokens):
        return model.run_with_cache(tokens)[1][f"blocks.{layer}.attn.hook_z"]

    return look


def test_each_head_is_replaced_by_its_mean_at_each_position(answer, see):
    given = world()
    for layer in (0, 2):
        see(
            f"with ablate_heads(model, [(0, 1), (2, 0)], reference): z of layer {layer}",
            lambda layer=layer: run(answer, given, [(0, 1), (2, 0)], z_of(layer)),
            "batch pos head d_head",
            **given,
        )
    for name, shape in WORLDS.items():
        given = world(**shape)
        last = given["model"].cfg.n_layers - 1
        for heads in ([(0, 1)], [(0, 0), (0, 1)], [(last, 1), (0, 0), (last, 0)]):
            see(
                f"{name}: with ablate_heads(model, {heads}, reference): model(tokens)[..., :2]",
                lambda given=given, heads=heads: run(answer, given, heads),
                "batch pos vocab",
                heads=heads,
                **given,
            )


def test_no_head_the_same_twice_and_block_after_block(answer, see):
    given = world(n_layers=2)
    other = world(n_layers=2, n_heads=3, batch=2, items=3, pos=4, seed=1)

    def look(label, thunk):
        see(label, thunk, "", **given, other=other)

    look("heads = []", lambda: run(answer, given, []))
    look("heads = [(1, 1), (1, 1)]", lambda: run(answer, given, [(1, 1), (1, 1)]))
    every = [(layer, head) for layer in range(2) for head in range(2)]
    look("all heads", lambda: run(answer, given, every))
    look("another model, with heads = [(1, 2)]", lambda: run(answer, other, [(1, 2)]))
    swapped = {**given, "reference": given["reference"][[4, 3, 3]].flip(1)}
    look("another reference, with heads = [(0, 1)]", lambda: run(answer, swapped, [(0, 1)]))
    more = {**given, "tokens": given["reference"][:3]}
    look("three items of tokens, with heads = [(0, 1)]", lambda: run(answer, more, [(0, 1)]))

    def twice(model, tokens):
        model(tokens)
        return model(tokens)[..., :2]

    look("the second run in the block", lambda: run(answer, given, [(0, 1), (1, 0)], twice))

    def nested(model, tokens):
        return run(answer, given, [(1, 0)], lambda *_: run(answer, given, [(0, 0)]))

    look("three blocks in each other", lambda: run(answer, given, [(0, 1)], nested))

    def inside_another(model, tokens):
        return torch.cat([run(answer, other, [(0, 0)]).flatten(), model(tokens)[..., 0].flatten()])

    look(
        "a block on another model, in this one",
        lambda: run(answer, given, [(1, 1)], inside_another),
    )


@points(2)
def test_its_hooks_come_off_and_only_they(answer, see):
    given = world(n_layers=2)
    model, reference = given["model"], given["reference"]
    heads = [(0, 1), (1, 0), (1, 1)]
    for error in (ZeroDivisionError("on purpose"), KeyboardInterrupt("on purpose")):

        def leave(model, tokens, error=error):
            raise error

        see(
            f"in the block {type(error).__name__} is raised",
            lambda leave=leave: run(answer, given, heads, leave),
            **given,
        )
    see("after these blocks: model(tokens)[..., :2]", lambda: model(given["tokens"])[..., :2])

    def with_others(look):
        """The same while a permanent hook and an ordinary one are on, and one of gradients."""

        def thunk():
            owner = patient(2, 2)
            owner.add_hook("blocks.0.attn.hook_z", double, is_permanent=True)
            owner.add_hook("blocks.1.hook_mlp_out", double)
            owner.add_hook("blocks.1.attn.hook_z", double, dir="bwd")
            return look(owner)

        return thunk

    def double(activation, *, hook):
        return 2 * activation

    def left_on(owner):
        run(answer, {**given, "model": owner}, heads)
        return [
            f"{point.name}, {len(hooks)}"
            for point in owner.hook_points()
            for hooks in (point.fwd_hooks, point.bwd_hooks)
            if hooks
        ]

    see("beside hooks of others: model(tokens)", with_others(
        lambda owner: run(answer, {**given, "model": owner}, heads)
    ))  # fmt: skip
    see("after the block: the points with hooks of others, and how many", with_others(left_on))

    def adds(owner):
        with answer.ablate_heads(owner, heads, reference):
            owner.add_hook("blocks.1.attn.hook_z", double)
            inside = owner(given["tokens"])[..., :2]
        return torch.stack([inside, owner(given["tokens"])[..., :2]])

    see("the block adds a hook: model(tokens) in it, and after it", with_others(adds))

    def kept(owner):
        seen = []
        owner.add_hook("blocks.0.attn.hook_z", lambda z, hook: seen.append(z))
        run(answer, {**given, "model": owner}, heads)
        return seen[-1]

    see(
        "z of layer 0, kept by a hook that was on before",
        with_others(kept),
        "batch pos head d_head",
    )

    def breaks(owner):
        def fail(activation, hook):
            raise ZeroDivisionError("on purpose")

        owner.add_hook("blocks.1.hook_resid_pre", fail)
        try:
            run(answer, {**given, "model": owner}, heads)
        except ZeroDivisionError:
            return sum(len(point.fwd_hooks) for point in owner.hook_points())

    see("a run of the reference fails: hooks on the model, 3 of others", with_others(breaks))


def difference(logits):
    """What is measured: not linear, over all items and positions."""
    return (logits[..., 3] - logits[..., 7]).mean().exp()


def failing(error, call):
    """A metric that raises when it is called for this time."""
    calls = count(1)

    def metric(logits):
        if next(calls) == call:
            raise error("on purpose")
        return 0.0

    return metric


@cache
def names(sentences=4):
    """Tokens of sentences of lesson 6, in both orders, and the tokens of the two names."""
    model, random, texts, pairs = HookedTransformer.from_pretrained(), Random(5), [], []
    for number in range(sentences):
        a, b = random.sample(NAMES, 2)
        first, second = (b, a) if number % 2 else (a, b)
        place, thing = random.choice(PLACES), random.choice(THINGS)
        texts.append(f"When {first} and {second} went to the {place} , {b} gave a {thing} to")
        pairs.append([model.to_single_token(a), model.to_single_token(b)])
    return model.requires_grad_(False), model.to_tokens(texts), torch.tensor(pairs)


@points(3)
def test_the_effect_of_each_head(answer, see):
    for name in list(WORLDS)[:3]:
        given = world(**WORLDS[name])
        see(
            f"measure_effects(..), {name}",
            lambda given=given: answer.measure_effects(**given, metric=difference),
            "layer head",
            **given,
        )
    given = world(**WORLDS["1 layer, batch 1"])

    def right(logits):
        return (logits.argmax(-1) == given["tokens"]).sum().item()

    owner, kept = patient(1, 3), []
    owner.add_hook("blocks.0.hook_resid_pre", lambda resid, hook: 2 * resid)
    owner.add_hook("blocks.0.attn.hook_z", lambda z, hook: kept.append((z, z.clone())))
    see(
        "1.0 * measure_effects(..), the metric is a whole number, and others have hooks",
        lambda: 1.0 * answer.measure_effects(**{**given, "model": owner}, metric=right),
        "layer head",
        **{**given, "model": owner},
    )
    see(
        "what a hook of others was given is as it was",
        lambda: len(kept) > 0 and all(torch.equal(z, copy) for z, copy in kept),
    )
    for error in (ZeroDivisionError, KeyboardInterrupt):
        see(
            f"the metric raises {error.__name__} when it is called for the third time",
            lambda error=error: answer.measure_effects(**given, metric=failing(error, 3)),
            **given,
        )
    model, tokens, pairs = names()

    def lead(logits):
        return (logits[:, -1].gather(1, pairs) @ torch.tensor([1.0, -1.0])).mean()

    see(
        "measure_effects(..), the shipped model, logit of A less that of B",
        lambda: answer.measure_effects(model, tokens, tokens, lead),
        "layer head",
    )
