"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit, slip

QUERIES = "queries = torch.arange(period + 1, patterns.shape[-1])"
SCORE = "patterns[..., queries, queries - period + 1].mean((1, 3))"
PUT = "z[:, :, head] = z[:, :, head].mean(0)"
PREDICTED = "predicted = model(tokens)[:, period + 1 : -1].argmax(-1)"
RIGHT = "(predicted == tokens[:, period + 2 :]).float().mean().item()"
PAIRS = "if accuracy(one) > 0.75 and accuracy(two) > 0.75 and accuracy(one, two) < 0.5"


def score(name, new, cause, queries=QUERIES):
    return Edit(name, {QUERIES: queries, SCORE: new}, cause)


EDITS = [
    slip(
        "late binding",
        {
            "for layer, head in heads:": "for layer, head in [(one, heads[-1][1]) for one, _ in heads]:"
        },
        "All hooks take away the last head of the list: a function reads its loop's variable when it "
        "is called, and by then the loop is over. Give each its own head (`head=head`).",
    ),
    slip(
        "one a layer",
        {"for layer, head in heads:": "for layer, head in dict(heads).items():"},
        "Of two heads in one layer only one is taken away: in a dict by layer the second replaces "
        "the first.",
    ),
    slip(
        "a position for a head",
        {PUT: "z[:, head] = z[:, head].mean(0)"},
        "A position is taken away, and no head. z is [batch, pos, head, d_head].",
    ),
    slip(
        "whole items",
        {RIGHT: RIGHT.replace("period + 2 :])", "period + 2 :]).all(1)")},
        "An item counts only if all of it is right. The share of right predictions is asked for.",
    ),
    slip(
        "by the largest",
        {SCORE: "(patterns.argmax(-1)[..., queries] == queries - period + 1).float().mean((1, 3))"},
        "It is counted how often that place gets the most attention. The mean of the attention is "
        "asked for.",
    ),
    slip(
        "the whole diagonal",
        {SCORE: "patterns.diagonal(1 - period, -2, -1).mean((1, 3))"},
        "The mean goes over the whole diagonal, and its first entries are queries of the first "
        "phrase. The second phrase starts at period + 1.",
    ),
    slip(
        "the diagonal over all queries",
        {SCORE: "patterns.diagonal(1 - period, -2, -1).sum(-1).mean(1) / patterns.shape[-1]"},
        "The attention is divided by the number of all queries, those of the first phrase too. The "
        "mean is over the queries of the second.",
    ),
    slip(
        "one early",
        {QUERIES: "queries = torch.arange(period, patterns.shape[-1] - 1)"},
        "The queries begin one too early and end one too early. The second phrase starts at period "
        "+ 1, and goes to the end.",
    ),
    Edit(
        "all_queries",
        {SCORE: SCORE.replace(".mean((1, 3))", ".sum(3).mean(1) / patterns.shape[-1]")},
        "The mean goes over every query, those of the first phrase too. They cannot look back by a "
        "period, so the score is too small.",
    ),
    Edit(
        "divides_by_all_keys",
        {SCORE: SCORE.replace(".mean((1, 3))", ".sum(3).mean(1) / (period - 1)")},
        "The sum is divided by a number of queries that is one too small. The second phrase has "
        "`period` of them.",
    ),
    Edit(
        "sum_over_queries",
        {SCORE: SCORE.replace(".mean((1, 3))", ".mean(1).sum(-1)")},
        "The attention is summed over the queries. The mean is asked for.",
    ),
    Edit(
        "first_item",
        {SCORE: SCORE.replace(".mean((1, 3))", ".mean(3)[:, 0]")},
        "Only the first item of the batch is scored. The mean goes over all.",
    ),
    Edit(
        "items_kept",
        {SCORE: SCORE.replace(".mean((1, 3))", ".mean(3)")},
        "The items of the batch stay apart. The mean goes over them too: [layer, head] is asked for.",
    ),
    Edit(
        "largest",
        {SCORE: SCORE.replace(".mean((1, 3))", ".amax((1, 3))")},
        "The largest attention is taken. The mean over items and queries is asked for.",
    ),
    score(
        "first_half",
        SCORE.replace("queries - period + 1", "(queries - period + 1) % period"),
        "The queries of the first phrase are scored. There the words have not been said before, and "
        "there is nothing to look back at. The second phrase starts at period + 1.",
        "queries = torch.arange(1, period + 1)",
    ),
    score(
        "one_query_early",
        SCORE,
        "One query too many is scored: the last of the first phrase. The second phrase starts at "
        "period + 1.",
        "queries = torch.arange(period, patterns.shape[-1])",
    ),
    score(
        "one_query_late",
        SCORE,
        "The first query of the second phrase is left out. It starts at period + 1.",
        "queries = torch.arange(period + 2, patterns.shape[-1])",
    ),
    score(
        "last_query_missing",
        SCORE,
        "The last query is left out. All queries of the second phrase count.",
        "queries = torch.arange(period + 1, patterns.shape[-1] - 1)",
    ),
    Edit(
        "offset",
        {SCORE: SCORE.replace("queries - period + 1", "queries - period")},
        "The score is one place off: it looks at the same word in the first phrase. What helps is "
        "the word *after* it, because that one comes next.",
    ),
    Edit(
        "offset_two",
        {SCORE: SCORE.replace("queries - period + 1", "queries - period - 1")},
        "The score looks at the word before the same word in the first phrase. What helps is the "
        "word *after* it, because that one comes next.",
    ),
    Edit(
        "offset_beyond",
        {SCORE: SCORE.replace("queries - period + 1", "queries - period + 2")},
        "The score looks two words after the same word in the first phrase. What helps is the next "
        "one, at query - period + 1.",
    ),
    Edit(
        "previous_token",
        {SCORE: SCORE.replace("queries - period + 1", "queries - 1")},
        "You measure attention to the word just before. That is what a previous-token head does. An "
        "induction head looks a whole phrase back, at what came after the same word.",
    ),
    Edit(
        "itself",
        {SCORE: SCORE.replace("queries - period + 1", "queries")},
        "You measure the attention of each word to itself. An induction head looks a whole phrase "
        "back, at what came after the same word.",
    ),
    Edit(
        "query_and_key_swapped",
        {SCORE: SCORE.replace("queries, queries - period + 1", "queries - period + 1, queries")},
        "Queries and keys are the wrong way round. The axes are [layer, batch, head, query, key]: a "
        "row is what one query pays.",
    ),
    Edit(
        "wrong_axes",
        {SCORE: SCORE.replace("(1, 3)", "(2, 3)")},
        "The mean goes over the heads, and leaves the items. What is asked for is a number for each "
        "layer and head; the axes are [layer, batch, head, query].",
    ),
    Edit(
        "head_by_layer",
        {SCORE: SCORE + ".T"},
        "The result is [head, layer]. [layer, head] is asked for.",
    ),
    Edit(
        "layers_averaged",
        {SCORE: SCORE.replace("(1, 3)", "(0, 3)")},
        "The mean goes over the layers, and leaves the items. The axes are [layer, batch, head, "
        "query].",
    ),
    Edit(
        "d_head_axis",
        {PUT: PUT.replace("[:, :, head]", "[..., head]")},
        "No head is taken away: no replacement reaches the run, or one goes to another axis. z is "
        "[batch, pos, head, d_head]; head is the axis before the last.",
    ),
    Edit(
        "every_layer",
        {
            'if hook.name == f"blocks.{layer}.attn.hook_z"': "if True",
            "for layer in {layer for layer, _ in heads}]": "for layer in range(model.cfg.n_layers)]",
        },
        "Heads of this number go in every layer. A head is a layer and a number: compare both.",
    ),
    Edit(
        "all_given_layers",
        {'if hook.name == f"blocks.{layer}.attn.hook_z"': "if True"},
        "Each head goes in all the layers that are named, and not in its own only. A head is a layer "
        "and a number: compare both.",
    ),
    Edit(
        "whole_layer",
        {PUT: "z[:] = z.mean(0)"},
        "The whole layer goes, and not the one head that was asked for.",
    ),
    Edit(
        "first_head_only",
        {"for layer, head in heads:": "for layer, head in heads[:1]:"},
        "Only the first head of the list is taken away. All of them go at once.",
    ),
    Edit(
        "last_head_only",
        {"for layer, head in heads:": "for layer, head in heads[-1:]:"},
        "Only the last head of the list is taken away: a later hook, or a loop's variable, took the "
        "place of the earlier ones. All of them go at once.",
    ),
    Edit(
        "wrong_head",
        {PUT: "z[:, :, head - 1] = z[:, :, head - 1].mean(0)"},
        "Another head of the layer is taken away than the one asked for. Heads count from 0, and the "
        "head axis is the one before the last.",
    ),
    Edit(
        "layer_and_head_swapped",
        {
            "for layer, head in heads:": "for head, layer in heads:",
            "{layer for layer, _ in heads}": "{layer for _, layer in heads}",
        },
        "Layer and head are the wrong way round. A head is (layer, head).",
    ),
    Edit(
        "zeroes",
        {PUT: "z[:, :, head] = 0"},
        "Zeros are put in the head's place. A head's usual output is not zero, so that takes away "
        "more than what the head knows about this text. The mean over items keeps what is "
        "usual at each position.",
    ),
    Edit(
        "mean_over_positions",
        {PUT: PUT.replace("mean(0)", "mean((0, 1))")},
        "The mean goes over the positions too. Then a word in the middle gets what is usual for a "
        "first word, and more is lost than what the head knows of this text. The mean goes over the "
        "items, at each position.",
    ),
    Edit(
        "mean_of_positions",
        {PUT: PUT.replace("mean(0)", "mean(1, keepdim=True)")},
        "The mean goes over the positions, and each item keeps its own. It goes over the items, at "
        "each position.",
    ),
    Edit(
        "mean_of_all_numbers",
        {PUT: PUT.replace("mean(0)", "mean()")},
        "One number is put in all of the head's d_head places. The mean goes over the "
        "items, and leaves pos and d_head.",
    ),
    Edit(
        "predicts_itself",
        {RIGHT: RIGHT.replace("period + 2 :", "period + 1 : -1")},
        "The prediction at a position is compared with the token at the same position. It speaks of "
        "the next one: position p against the token at p + 1.",
    ),
    Edit(
        "counts_from_the_start",
        {
            PREDICTED: "predicted = model(tokens)[:, :-1].argmax(-1)",
            RIGHT: RIGHT.replace("period + 2 :", "1:"),
        },
        "All predictions are counted, those of the first phrase too, which nobody can know. Count "
        "those of the second phrase from its second word on.",
    ),
    Edit(
        "one_position_early",
        {
            PREDICTED: PREDICTED.replace("period + 1", "period"),
            RIGHT: RIGHT.replace("period + 2", "period + 1"),
        },
        "The prediction of the second phrase's first word is counted too. Nobody can know it: start "
        "at position period + 1.",
    ),
    Edit(
        "one_position_late",
        {
            PREDICTED: PREDICTED.replace("period + 1", "period + 2"),
            RIGHT: RIGHT.replace("period + 2", "period + 3"),
        },
        "The first prediction that counts is left out. Start at position period + 1.",
    ),
    Edit(
        "a_number_of_them",
        {RIGHT: RIGHT.replace(".mean()", ".sum()")},
        "That is how many predictions are right. The share is asked for.",
    ),
    Edit(
        "percent",
        {RIGHT: "100 * " + RIGHT},
        "That is in percent. A share, from 0 to 1, is asked for.",
    ),
    Edit(
        "wrong_ones",
        {RIGHT: RIGHT.replace("==", "!=")},
        "That is the share of wrong predictions. Those that are right count.",
    ),
    Edit(
        "hooks_stay",
        {
            "    with model.hooks([(name, ablate) for name in names]):\n        predicted": "    for name in names:\n        model.add_hook(name, ablate)\n    if True:\n        predicted"
        },
        "The hooks stay on the model, and the next run is without those heads too. Take them off: "
        "`with model.hooks(..)`.",
    ),
    Edit(
        "whatever_was_found_once",
        {"    return heads, pairs": "    return [(1, 0), (1, 1)], [((1, 0), (1, 1))]"},
        "The answer is the same for every model. In another model other heads do it: find them by "
        "their scores, and the pairs by ablation.",
    ),
    Edit(
        "never_a_pair",
        {"    return heads, pairs": "    return heads, []"},
        "No pair is found in any model. In some, one head stands in for the other: try without each, "
        "and without both.",
    ),
    Edit(
        "every_pair",
        {PAIRS: "if True"},
        "Two heads are said to stand in for each other where one of them alone is missed already. "
        "Try without each alone, and without both.",
    ),
    Edit(
        "only_the_first_is_tried_alone",
        {PAIRS: "if accuracy(one) > 0.75 and accuracy(one, two) < 0.5"},
        "Only the first head of a pair is tried alone. The second may be missed alone: then nothing "
        "stands in for it.",
    ),
    Edit(
        "only_the_second_is_tried_alone",
        {PAIRS: "if accuracy(two) > 0.75 and accuracy(one, two) < 0.5"},
        "Only the second head of a pair is tried alone. The first may be missed alone: then nothing "
        "stands in for it.",
    ),
    slip(
        "none is tried alone",
        {PAIRS: "if accuracy(one, two) < 0.5"},
        "A pair counts although the model misses one of the two alone. Then nothing stands in for that "
        "one: without either alone the accuracy has to stay above 0.75.",
    ),
    slip(
        "pairs of all heads",
        {
            "in combinations(heads, 2)": "in combinations([(a, b) for a in range(scores.shape[0]) for b in range(scores.shape[1])], 2)"
        },
        "Pairs are looked for among all heads. Only those with a score above 0.4 are asked for.",
    ),
    slip(
        "pairs that lose more",
        {PAIRS: "if accuracy(one, two) < min(accuracy(one), accuracy(two))"},
        "A pair counts as soon as more is lost without both. It counts where the accuracy stays "
        "above 0.75 without either, and falls below 0.5 without both.",
    ),
    slip(
        "pairs as tensors",
        {"    return heads, pairs": "    return torch.tensor(heads), torch.tensor(pairs)"},
        "Tensors came. Lists of tuples of ints are asked for: `.tolist()`.",
    ),
    slip(
        "names of a dict",
        {"    return heads, pairs": "    return dict(heads=heads, pairs=pairs)"},
        "A dict came. Two lists are asked for: `return heads, pairs`.",
    ),
    slip(
        "only the pairs",
        {"    return heads, pairs": "    return pairs"},
        "Only the pairs come back. Two lists are asked for: `return heads, pairs`.",
    ),
    slip(
        "empty list is one",
        {"    names = [f": "    if not heads:\n        return 1.0\n    names = [f"},
        "Without heads, 1 comes for every model. With an empty list nothing is replaced: the model's "
        "own accuracy is asked for.",
    ),
    slip(
        "empty list is nothing",
        {"    names = [f": "    if not heads:\n        return 0.0\n    names = [f"},
        "Without heads, 0 comes for every model. With an empty list nothing is replaced: the model's "
        "own accuracy is asked for.",
    ),
    slip(
        "always layer 1",
        {
            "{layer for layer, _ in heads}": "{1 for _ in heads}",
            'hook.name == f"blocks.{layer}.attn.hook_z"': "True",
        },
        "The hook is always on layer 1. Each head names its layer.",
    ),
    slip(
        "one by one",
        {
            "    with model.hooks([(name, ablate) for name in names]):\n": "    every, shares = heads, []\n    for heads in [[one] for one in every] or [[]]:\n      with model.hooks([(name, ablate) for name in names]):\n",
            "return " + RIGHT: f"  shares.append({RIGHT})\n    return sum(shares) / len(shares)",
        },
        "The heads are taken away one by one, and the shares averaged. All of them go at once.",
    ),
    slip(
        "first items values",
        {PUT: "z[:, :, head] = z[:1, :, head]"},
        "The first item's z is put in the head's place. The mean over the items is asked for.",
    ),
    slip(
        "mean of the heads",
        {PUT: "z[:, :, head] = z.mean(2)"},
        "The mean of the heads is put in the head's place. The mean over the items is asked for.",
    ),
    slip(
        "another items values",
        {PUT: "z[:, :, head] = z[:, :, head].roll(1, 0)"},
        "Another item's z is put in the head's place. The mean over the items is asked for.",
    ),
    slip(
        "takes off all",
        {
            "    with model.hooks([(name, ablate) for name in names]):\n        predicted = model(tokens)[:, period + 1 : -1].argmax(-1)\n": "    for name in names:\n        model.add_hook(name, ablate)\n    predicted = model(tokens)[:, period + 1 : -1].argmax(-1)\n    model.reset_hooks()\n"
        },
        "`reset_hooks` takes off the hooks of others too. Take off yours: `with model.hooks(..)`.",
    ),
    slip(
        "writes into z",
        {"        z = z.clone()\n": ""},
        "The mean is written into z itself, which another hook may have kept. Change a copy: "
        "`z.clone()`.",
    ),
    Edit(
        "without_both_is_not_tried",
        {PAIRS: "if accuracy(one) > 0.75 and accuracy(two) > 0.75"},
        "It is not tried what is left without both. If neither alone is missed, both may still be "
        "of no use here: without both the accuracy must fall.",
    ),
    Edit(
        "both_orders",
        {
            "in combinations(heads, 2)": "in permutations(heads, 2)",
            "import combinations": "import permutations",
        },
        "Each pair comes twice, in both orders. Once is asked for, in ascending order.",
    ),
    Edit(
        "one_flat_pair",
        {"        (one, two)\n": "        [*one, *two]\n"},
        "A pair comes as four numbers. It is ((layer, head), (layer, head)).",
    ),
    Edit(
        "two_layers_of_two",
        {"(scores > 0.4).nonzero()": "(scores[:3, :2] > 0.4).nonzero()"},
        "The number of layers or heads is that of the shipped model. Another has more: "
        "`model.cfg.n_layers`, `model.cfg.n_heads`.",
    ),
    Edit(
        "the_best_head",
        {"    heads = [": "    scores = scores * (scores == scores.max())\n    heads = ["},
        "Only the head with the highest score is found. All with a score above 0.4 are asked for.",
    ),
    Edit(
        "always_two",
        {
            "    heads = [": "    scores = scores * (scores >= scores.flatten().sort().values[-2]) + scores.sign() * (scores >= scores.flatten().sort().values[-2])\n    heads = ["
        },
        "The two heads with the highest scores are found, however low these are. Only those with a "
        "score above 0.4 are asked for.",
    ),
    Edit(
        "heads_before_layers",
        {"tuple(place) for place in": "tuple(place[::-1]) for place in"},
        "The heads come as (head, layer). (layer, head) is asked for.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
FOUND = "heads = [tuple(place) for place in (scores > 0.4).nonzero().tolist()]"
BY_TRIAL = (
    "pairs = [(one, two) for one, two in combinations(heads, 2) "
    "if accuracy(one) > 0.75 and accuracy(two) > 0.75 and (accuracy(one, two) < 0.5)]"
)
GIVEN = "return accuracy_without(model, tokens, period, list(without))"


def change(line, old, new):
    return f"{line} -> {line.replace(old, new)}"


EQUIVALENT = {
    change(QUERIES, "shape[-1]", "shape[-2]"): "Queries and keys are as many.",
    change(FOUND, "tuple(place)", "place"): "A list of two numbers counts as a tuple of two does.",
    change(FOUND, "> 0.4", ">= 0.4"): "No score is 0.4 to the last bit.",
    change(BY_TRIAL, "(one) > 0.75", "(one) >= 0.75"): "No accuracy here is 0.75.",
    change(BY_TRIAL, "(two) > 0.75", "(two) >= 0.75"): "No accuracy here is 0.75.",
    change(BY_TRIAL, "< 0.5", "<= 0.5"): "No accuracy here is 0.5.",
    change(BY_TRIAL, "accuracy(one, two)", "accuracy(two, one)"): "Both go at once, in any order.",
    change(GIVEN, "list(without)", "without"): "A tuple can be gone through as a list can.",
}
