"""What exercise 3 shows: every activation, no copy, no graph, and the run as it would have been."""

import weakref

import torch

from exercises.grader.kit import points
from minicache import HookedTransformer, HookedTransformerConfig

TITLE = "observe a run"
LESSON = "lesson 3, run_with_cache"
TOKENS = torch.tensor([[1, 2, 3], [4, 5, 6]])


def model():
    cfg = HookedTransformerConfig(
        n_layers=2, d_model=6, n_ctx=5, d_head=4, n_heads=3, d_vocab=11, d_mlp=7, seed=0
    )
    return HookedTransformer(cfg)


def pattern(name):
    return name.endswith("hook_pattern")


@points(2)
def test_it_gives_the_logits_and_every_activation(answer, see):
    one = model()
    see("names in the cache", lambda: list(answer.run_with_cache(one, TOKENS)[1]))
    see("logits", lambda: answer.run_with_cache(one, TOKENS)[0], "batch pos d_vocab")
    see(
        "cache['blocks.1.hook_resid_post']",
        lambda: answer.run_with_cache(one, TOKENS)[1]["blocks.1.hook_resid_post"],
        "batch pos d_model",
    )


def test_a_filter_says_what_is_kept(answer, see):
    see(
        "names with names_filter=pattern",
        lambda: list(answer.run_with_cache(model(), TOKENS, pattern)[1]),
    )
    one, alive, refs = model(), [], []
    one.blocks[0].attn.hook_attn_scores.add_hook(
        lambda t, hook: refs.append(weakref.ref(t.untyped_storage()))
    )
    one.unembed.hook_out.add_hook(lambda t, hook: alive.append(refs[0]() is not None))

    def run():
        with torch.no_grad():
            answer.run_with_cache(one, TOKENS, pattern)
        return alive[0]

    see("names_filter refuses the scores: are they held during the run?", run)


def test_the_run_is_as_it_would_have_been(answer, see):
    one = model()
    see(
        "logits.requires_grad",
        lambda: answer.run_with_cache(one, TOKENS)[0].requires_grad,
    )
    see("gradient of W_U", lambda: grad(answer, one), "d_model d_vocab")
    see("hooks left behind", lambda: sum(len(p.fwd_hooks) for p in one.hook_points()))


def grad(answer, one):
    one.zero_grad()
    answer.run_with_cache(one, TOKENS)[0].sum().backward()
    return one.W_U.grad


def test_the_cache_holds_references_without_a_graph(answer, see):
    passed = {}

    def run():
        one = model()
        one.add_hook("blocks.0.hook_mlp_out", lambda t, hook: passed.update(t=t))
        return answer.run_with_cache(one, TOKENS)[1]["blocks.0.hook_mlp_out"]

    see("cache['blocks.0.hook_mlp_out'].requires_grad", lambda: run().requires_grad)
    see(
        "is its memory that of the activation itself?",
        lambda: run().data_ptr() == passed["t"].data_ptr(),
    )


def test_it_caches_what_the_model_went_on_with(answer, see):
    one = model()
    one.add_hook("hook_embed", lambda tensor, hook: 0 * tensor + 7)
    one.add_hook("hook_embed", lambda tensor, hook: tensor + 1)
    see(
        "two hooks make hook_embed 7, then 8: cache['hook_embed']",
        lambda: answer.run_with_cache(one, TOKENS)[1]["hook_embed"],
        "batch pos d_model",
    )
    see("those two hooks are still on: how many", lambda: len(one.hook_embed.fwd_hooks))
