"""What exercise 3 shows: every activation, no copy, no graph, and the run as it would have been."""

import weakref
from functools import cache

import torch

from exercises.grader.kit import patient, points

TITLE = "observe a run"
LESSON = "lesson 3, run_with_cache"
TOKENS = torch.tensor([[1, 2, 3], [4, 5, 6]])
SHARED = ("blocks.0.hook_mlp_out", "blocks.1.attn.hook_z", "unembed.hook_out")


WORLDS = {
    "2 layers": ({}, TOKENS),
    "1 layer without MLP, one token": ({"n_layers": 1, "attn_only": True}, TOKENS[:1, :1]),
    "4 layers": ({"n_layers": 4}, TOKENS),
}


def model(**shape):
    return patient(**{"n_heads": 3, **shape}).requires_grad_(True)


@cache
def world(name):
    shape, tokens = WORLDS[name]
    return {"model": model(**shape), "tokens": tokens}


def make_ready():
    for name in WORLDS:
        world(name)


def pattern(name):
    return name.endswith("hook_pattern")


def boom(error):
    def hook(tensor, hook):
        raise error

    return hook


@points(2)
def test_it_gives_the_logits_and_every_activation(answer, see):
    for label in WORLDS:
        given = world(label)

        def ask(label, thunk, axes="", given=given):
            see(label, lambda: thunk(*answer.run_with_cache(**given)), axes, **given)

        ask(f"{label}: list(cache)", lambda logits, cache: list(cache))
        ask(f"{label}: logits", lambda logits, cache: logits, "batch pos d_vocab")
        names = ("hook_embed", "blocks.0.attn.hook_q", "ln_final.hook_scale")
        for name in names if label == "2 layers" else ():
            ask(f"{label}: cache[{name!r}]", lambda logits, cache, name=name: cache[name])
        ask(
            f"{label}: all shapes",
            lambda logits, cache: sorted({str(list(cache[name].shape)) for name in cache}),
        )
        ask(
            f"{label}: names whose tensor requires a gradient",
            lambda logits, cache: [name for name in cache if cache[name].requires_grad],
        )


@points(2)
def test_the_run_is_as_it_would_have_been(answer, see):
    given = {"model": model(), "tokens": TOKENS}
    one = given["model"]

    def grad():
        one.zero_grad()
        answer.run_with_cache(**given)[0].sum().backward()
        return one.blocks[0].attn.b_Q.grad

    see("logits.requires_grad", lambda: answer.run_with_cache(**given)[0].requires_grad, **given)
    see("the gradient of logits.sum() by blocks[0].attn.b_Q", grad, "head d_head", **given)

    def grad_past_a_hook():
        one.zero_grad()
        logits, _ = answer.run_with_cache(one, TOKENS, lambda name: name == "blocks.0.attn.hook_z")
        logits.sum().backward()
        return one.blocks[0].attn.b_Q.grad

    see("the same with a filter for blocks.0.attn.hook_z", grad_past_a_hook, "head d_head", **given)

    def under_what():
        counted, seen = model(n_layers=1), []
        counted.add_hook("hook_embed", lambda tensor, hook: seen.append(tensor.requires_grad))
        answer.run_with_cache(counted, TOKENS)
        return seen[0]

    see("hook_embed's tensor.requires_grad, during the run", under_what)

    def without_grad():
        with torch.no_grad():
            return answer.run_with_cache(**given)[0].requires_grad

    see("under no_grad: logits.requires_grad", without_grad, **given)
    for error in (ZeroDivisionError("on purpose"), KeyboardInterrupt("on purpose")):
        broken = model(n_layers=1)
        broken.add_hook("blocks.0.hook_mlp_out", boom(error))
        see(
            f"a user's hook raises {type(error).__name__}",
            lambda broken=broken: answer.run_with_cache(broken, TOKENS),
            model=broken,
        )

    def runs():
        counted, count = model(n_layers=1), []
        counted.add_hook("hook_embed", lambda tensor, hook: count.append(1))
        answer.run_with_cache(counted, TOKENS)
        return len(count)

    see("how often a user's hook ran", runs)

    def two_calls():
        first = answer.run_with_cache(one, TOKENS)[1]
        before = first["hook_embed"].clone()
        second = answer.run_with_cache(one, TOKENS + 1)[1]
        return torch.stack([before, first["hook_embed"], second["hook_embed"]])

    see("cache['hook_embed'] before a second call, after it, and the second's", two_calls)


@points(2)
def test_it_caches_what_the_model_went_on_with(answer, see):
    one = model()
    one.add_hook("hook_embed", lambda tensor, hook: 0 * tensor + 7)
    one.add_hook("hook_embed", lambda tensor, hook: tensor + 1, is_permanent=True)
    given = {"model": one, "tokens": TOKENS}
    see(
        "two hooks make hook_embed 7, then 8: cache['hook_embed']",
        lambda: answer.run_with_cache(**given)[1]["hook_embed"],
        "batch pos d_model",
        **given,
    )
    see(
        "the same, with a filter for hook_embed",
        lambda: answer.run_with_cache(**given, names_filter=lambda n: n == "hook_embed")[1][
            "hook_embed"
        ],
        "batch pos d_model",
        **given,
    )
    one.add_hook("hook_embed", lambda grad, hook: None, dir="bwd")
    see("its logits", lambda: answer.run_with_cache(**given)[0], "batch pos d_vocab", **given)


@points(2)
def test_a_filter_says_what_is_kept(answer, see):
    given = {"model": model(), "tokens": TOKENS}
    filters = {
        "pattern": pattern,
        "nothing": lambda name: False,
        "everything": lambda name: True,
        "blocks.1": lambda name: name.startswith("blocks.1."),
    }
    for label, names_filter in filters.items():
        see(
            f"a filter for {label}: list(cache)",
            lambda f=names_filter: list(answer.run_with_cache(**given, names_filter=f)[1]),
            **given,
        )
    see(
        "a filter for nothing: logits",
        lambda: answer.run_with_cache(**given, names_filter=filters["nothing"])[0],
        "batch pos d_vocab",
        **given,
    )

    def held():
        one, refs, alive = model(n_layers=1), [], []
        one.blocks[0].attn.hook_attn_scores.add_hook(
            lambda t, hook: refs.append(weakref.ref(t.untyped_storage()))
        )
        one.unembed.hook_out.add_hook(lambda t, hook: alive.append(refs[0]() is not None))
        with torch.no_grad():
            answer.run_with_cache(one, TOKENS, pattern)
        return ["blocks.0.attn.hook_attn_scores"] * alive[0]

    see("with a filter for pattern, what else is held at the end of the run", held)


@points(2)
def test_the_cache_holds_references(answer, see):
    def copies():
        one, passed = model(), {}
        for name in SHARED:
            one.add_hook(name, lambda tensor, hook: passed.update({hook.name: tensor}))
        _, cache = answer.run_with_cache(one, TOKENS)
        return [name for name in SHARED if cache[name].data_ptr() != passed[name].data_ptr()]

    see(f"which of {', '.join(SHARED)} are copies", copies)

    def copies_with_a_filter():
        one, passed = model(), {}
        one.add_hook(SHARED[0], lambda tensor, hook: passed.update({hook.name: tensor}))
        with torch.no_grad():
            _, cache = answer.run_with_cache(one, TOKENS, lambda name: name == SHARED[0])
        return [name for name in cache if cache[name].data_ptr() != passed[name].data_ptr()]

    see(f"the same with a filter for {SHARED[0]}, under no_grad", copies_with_a_filter)
