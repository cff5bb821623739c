"""What exercise 16 shows: which heads look where, what the model can do without them, and why."""

from dataclasses import replace
from functools import cache, partial

import torch

from exercises.grader.kit import points
from minicache import HookedTransformer
from minicache.cli.corpus import CONTENT

TITLE = "a finding"
LESSON = "lesson 8, A finding"
PERIOD = 12


@cache
def shipped():
    return HookedTransformer.from_pretrained().requires_grad_(False)


@cache
def phrases(period=PERIOD, batch=4):
    model = shipped()
    generator = torch.Generator().manual_seed(3)
    known = torch.tensor([model.to_single_token(word) for word in CONTENT])
    shuffled = (torch.randperm(len(known), generator=generator) for _ in range(batch))
    words = torch.stack([known[order[:period]] for order in shuffled])
    first = torch.full((batch, 1), model.tokenizer.bos_token_id)
    return torch.cat([first, words, words], dim=1)


def altered(change, **cfg):
    """The shipped model with its weights changed: a model with other heads for it."""
    model = HookedTransformer(replace(shipped().cfg, **cfg)).requires_grad_(False)
    model.load_state_dict(change({name: w.clone() for name, w in shipped().state_dict().items()}))
    return model


def one_head_more(weights):
    """A head that does nothing, in front of the others: theirs move up by one."""
    for name, weight in weights.items():
        if ".attn." in name and not name.endswith("b_O"):
            weights[name] = torch.cat([0 * weight[:1], weight])
    return weights


def one_layer_more(weights):
    """A layer that does nothing, before the others."""
    moved = {}
    for name, weight in weights.items():
        if name.startswith("blocks."):
            _, layer, rest = name.split(".", 2)
            moved[f"blocks.{int(layer) + 1}.{rest}"] = weight
            if layer == "0":
                writes = rest.endswith(("W_O", "b_O", "W_out", "b_out"))
                moved[name] = 0 * weight if writes else weight
        else:
            moved[name] = weight
    return moved


def one_layer_that_looks(weights):
    """A layer between 0 and 1. Its second head looks as that of layer 1, and it writes nothing."""
    moved = {}
    for name, weight in weights.items():
        _, layer, rest = name.split(".", 2) if name.startswith("blocks.") else ("", "0", "")
        if layer == "0":
            moved[name] = weight
            continue
        moved[f"blocks.{int(layer) + 1}.{rest}"] = weight
        if layer == "1":
            writes = rest.endswith(("W_O", "b_O", "W_out", "b_out"))
            moved[name] = 0 * weight if writes else weight.clone()
    for name in ("W_Q", "b_Q"):
        moved[f"blocks.1.attn.{name}"][0] = 0
    return moved


def weaken(weights, head=1, share=0.0):
    """A head of layer 1 looks where it did, and writes a share of what it wrote."""
    weights["blocks.1.attn.W_O"][head] *= share
    return weights


def previous_token_head_twice(weights):
    """The head in front of the others does in layer 0 what the next one does, both a bit weaker."""
    weights = one_head_more(weights)
    for name, weight in weights.items():
        if name.startswith("blocks.0.attn.") and not name.endswith("b_O"):
            weight[0] = weight[1]
    weights["blocks.0.attn.W_O"][:2] *= 0.6
    return weights


def second_then_first_twice(weights, share):
    """In layer 1 the second head, and then the first one twice: each writes a share of it."""
    weights = one_head_more(weights)
    for name in ("W_Q", "W_K", "W_V", "b_Q", "b_K", "b_V", "W_O"):
        heads = weights[f"blocks.1.attn.{name}"]
        heads[0], heads[2] = heads[2].clone(), heads[1]
    weights["blocks.1.attn.W_O"][1:] *= share
    return weights


def blur(weights, share):
    """Head 1 of layer 1 looks less sharply where it looked."""
    for name in ("W_Q", "b_Q"):
        weights[f"blocks.1.attn.{name}"][1] *= share
    return weights


@cache
def models():
    return {
        "the shipped model": shipped(),
        "a model with one more head": altered(one_head_more, n_heads=3),
        "a model with one more layer": altered(one_layer_more, n_layers=4),
        "a model with one more of both": altered(
            lambda weights: one_head_more(one_layer_that_looks(weights)), n_layers=4, n_heads=3
        ),
        "a model in which the first head writes nothing": altered(partial(weaken, head=0)),
        "a model in which the second head writes nothing": altered(weaken),
        "a model in which the first head writes half": altered(partial(weaken, head=0, share=0.5)),
        "a model in which the second head writes a third": altered(partial(weaken, share=0.3)),
        "a model with a head twice": altered(
            partial(second_then_first_twice, share=0.45), n_heads=3
        ),
        "a model with a weak head twice": altered(
            partial(second_then_first_twice, share=0.35), n_heads=3
        ),
        "a model with the previous-token head twice": altered(previous_token_head_twice, n_heads=3),
        "a model in which a head looks less sharply": altered(partial(blur, share=0.25)),
        "a model in which a head looks hardly there": altered(partial(blur, share=0.225)),
    }


ASKED = {  # by the period of the phrases
    "the shipped model": PERIOD,
    "a model with one more of both": PERIOD,
    "a model in which the first head writes half": PERIOD,
    "a model in which the second head writes a third": PERIOD,
    "a model with a head twice": PERIOD,
    "a model with a weak head twice": 8,
    "a model with the previous-token head twice": PERIOD,
    "a model in which a head looks less sharply": PERIOD,
    "a model in which a head looks hardly there": PERIOD,
}


@cache
def watched():
    """A model like the shipped one with somebody's hook on it, and what that hook was given."""
    model, given = altered(lambda weights: weights), []

    def keep(z, hook):
        given.append((z, z.clone()))

    model.add_hook("blocks.1.attn.hook_z", keep)
    return model, given


@cache
def attention(name):
    return models()[name].run_with_cache(phrases())[1].stack_activation("pattern")


def make_ready():
    models()
    watched()
    phrases()


def patterns_by_hand(layer=2, batch=4, head=3, period=5):
    """Random attention, so that every mistake shows."""
    n = 1 + 2 * period
    generator = torch.Generator().manual_seed(1)
    return torch.rand(layer, batch, head, n, n, generator=generator).softmax(-1)


def test_the_induction_score_of_each_head(answer, see):
    for label, shape in {
        "random patterns, 5": {},
        "random patterns of one item and one layer, 3": {"layer": 1, "batch": 1, "period": 3},
        "random patterns with all axes 3, 1": {"layer": 3, "batch": 3, "head": 3, "period": 1},
    }.items():
        patterns, period = patterns_by_hand(**shape), shape.get("period", 5)
        see(
            f"induction_scores({label})",
            lambda p=patterns, n=period: answer.induction_scores(p, n),
            "layer head",
            patterns=patterns,
        )
    for name in ("the shipped model", "a model with one more head"):
        see(
            f"induction_scores(the patterns of {name}, 12)",
            lambda name=name: answer.induction_scores(attention(name), PERIOD),
            "layer head",
        )


@points(2)
def test_what_the_model_can_do_without_them(answer, see):
    def ask(model, *heads, period=PERIOD, batch=4):
        given, asked = {"model": models()[model], "tokens": phrases(period, batch)}, list(heads)
        size = f", phrases of {period}, {batch} items" if (period, batch) != (PERIOD, 4) else ""
        see(
            f"accuracy_without({list(heads)}), {model}{size}",
            lambda: answer.accuracy_without(**given, period=period, heads=asked),
            heads=asked,
            **given,
        )

    ship = "the shipped model"
    for heads in (
        [(1, 0), (1, 1)], [(0, 0)], [(1, 0)], [(1, 1)], [], [(0, 1), (2, 1)], [(1, 0), (2, 1)],
        [(1, 0), (1, 1), (2, 1)],
    ):  # fmt: skip
        ask(ship, *heads)
    ask(ship, (0, 0), period=5, batch=3)
    ask(ship, (0, 0), period=8, batch=2)
    ask(ship, (1, 1), (1, 0), period=8, batch=3)
    ask("a model with one more head", (1, 1), (1, 2))
    ask("a model with one more head", (1, 0), (1, 1))
    ask("a model with one more layer", (2, 0), (2, 1))
    ask("a model in which the second head writes nothing", (1, 0))
    ask("a model in which the first head writes nothing")

    def twice():
        model = models()[ship]
        answer.accuracy_without(model, phrases(), PERIOD, [(1, 0), (1, 1)])
        return answer.accuracy_without(model, phrases(), PERIOD, [])

    see("accuracy_without([]) after accuracy_without([(1, 0), (1, 1)])", twice)
    see(
        "accuracy_without([(1, 0)]) of tokens that the model does not have",
        lambda: answer.accuracy_without(models()[ship], phrases() + 1000, PERIOD, [(1, 0)]),
        model=models()[ship],
    )
    model, given = watched()
    see(
        "accuracy_without([(1, 0), (1, 1)]), a model with somebody else's hook on it",
        lambda: answer.accuracy_without(model, phrases(), PERIOD, [(1, 0), (1, 1)]),
        model=model,
    )
    see(
        "what that hook was given is as it was",
        lambda: len(given) > 0 and all(torch.equal(z, copy) for z, copy in given),
    )


@points(4)
def test_which_heads_do_it_and_which_stand_in(answer, see):
    for name, period in ASKED.items():
        given = {"model": models()[name], "tokens": phrases(period)}

        kept = []

        def found(which, given=given, period=period, kept=kept):
            if not kept:  # it takes some runs: ask once
                kept.append(answer.finding(**given, period=period))
            heads, pairs = kept[0]
            return list((heads, pairs)[which])

        see(f"heads, pairs = finding(..) of {name}: heads", lambda f=found: f(0), **given)
        see(f"heads, pairs = finding(..) of {name}: pairs", lambda f=found: f(1), **given)
