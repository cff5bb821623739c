"""What exercise 16 shows: which heads look where, and what the model can do without them."""

from functools import cache

import torch

from exercises.grader.kit import points
from minicache import HookedTransformer
from minicache.cli.corpus import CONTENT

TITLE = "a finding"
LESSON = "lesson 8, A finding"
PERIOD = 12


@cache
def world():
    model = HookedTransformer.from_pretrained().requires_grad_(False)
    generator = torch.Generator().manual_seed(3)
    known = torch.tensor([model.to_single_token(word) for word in CONTENT])
    shuffled = (torch.randperm(len(known), generator=generator) for _ in range(8))
    words = torch.stack([known[order[:PERIOD]] for order in shuffled])
    first = torch.full((8, 1), model.tokenizer.bos_token_id)
    tokens = torch.cat([first, words, words], dim=1)
    _, run = model.run_with_cache(tokens)
    return model, tokens, run.stack_activation("pattern")


def patterns_by_hand():
    """Random attention, so that every mistake shows."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 4, 3, 11, 11, generator=generator).softmax(-1)


@points(2)
def test_the_induction_score_of_each_head(answer, see):
    see(
        "induction_scores(random patterns, 5)",
        lambda: answer.induction_scores(patterns_by_hand(), 5),
        "layer head",
    )
    see(
        "induction_scores(the model's patterns, 12)",
        lambda: answer.induction_scores(world()[2], PERIOD),
        "layer head",
    )


def test_which_heads_they_are(answer, see):
    def found():
        scores = answer.induction_scores(world()[2], PERIOD)
        return (scores > 0.4).nonzero().tolist()

    see("which (layer, head) have a score above 0.4", found)


@points(2)
def test_what_the_model_can_do_without_them(answer, see):
    model, tokens, _ = world()

    def without(*heads):
        return lambda: answer.accuracy_without(model, tokens, PERIOD, list(heads))

    see("accuracy_without([(1, 0), (1, 1)]), the induction heads", without((1, 0), (1, 1)))
    see("accuracy_without([(0, 0)]), the previous-token head", without((0, 0)))
    see("accuracy_without([(1, 0)])", without((1, 0)))
    see("accuracy_without([])", without())
    see("accuracy_without([(0, 1), (2, 1)])", without((0, 1), (2, 1)))
    see("accuracy_without([(0, 1), (1, 0)])", without((0, 1), (1, 0)))


def test_the_model_is_left_as_it_was(answer, see):
    model, tokens, _ = world()
    answer.accuracy_without(model, tokens, PERIOD, [(1, 0)])
    see("hooks left behind", lambda: sum(len(p.fwd_hooks) for p in model.hook_points()))
