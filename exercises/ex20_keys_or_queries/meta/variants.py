"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

NAME = "attn.hook_{which}"
PATCH = "        changed[:, :, head] = cache[name][:, :, head]\n"
RUN = "    return model.run_with_hooks(tokens, fwd_hooks=[(name, patch)])\n"
SHARE = "(value - low) / (high - low)"
BEST = "    best = max(shares, key=shares.get)\n"
VALUE = "        value = float(metric(patch_input(model, corrupted, clean, which, layer, head)))\n"
SEVERAL = """        names = [f"blocks.{layer}.attn.hook_{other}" for other in "qkv" SOME]
        _, cache = model.run_with_cache(clean)

        def put(activation, hook):
            changed = activation.clone()
            changed[:, :, head] = cache[hook.name][:, :, head]
            return changed

        patched = model.run_with_hooks(corrupted, fwd_hooks=[(name, put) for name in names])
        value = float(metric(patched))
"""

EDITS = [
    Edit(
        "whole_layer",
        {PATCH: "        changed[:] = cache[name]\n"},
        "All heads of the layer are patched. Only one is asked for: the activation is "
        "[batch, pos, head, d_head], so it is `[:, :, head]`.",
    ),
    Edit(
        "position_for_head",
        {PATCH: "        changed[:, head] = cache[name][:, head]\n"},
        "You patch a position, in all heads. The activation is [batch, pos, head, d_head]; the head's "
        "axis is the third.",
    ),
    Edit(
        "d_head_for_head",
        {PATCH: "        changed[..., head] = cache[name][..., head]\n"},
        "You patch one of the d_head numbers of every head. The activation is "
        "[batch, pos, head, d_head]; the head's axis is the third.",
    ),
    Edit(
        "last_position_only",
        {PATCH: "        changed[:, -1, head] = cache[name][:, -1, head]\n"},
        "Only the last position is patched. Keys and values of all the others are read from there: "
        "all positions are asked for.",
    ),
    Edit(
        "q_and_k_swapped",
        {NAME: "attn.hook_{'kqv'['qkv'.index(which)]}"},
        "Queries are patched where keys are asked for, and keys for queries. A query says what a "
        "place looks for, a key what it can be found by.",
    ),
    Edit(
        "patches_z",
        {NAME: "attn.hook_z"},
        "z is patched, whatever is asked for. z is what the head gives, so all roads into it come "
        "along. Its inputs are at `hook_q`, `hook_k` and `hook_v`.",
    ),
    Edit(
        "runs_the_source",
        {
            "run_with_cache(source,": "run_with_cache(tokens,",
            "run_with_hooks(tokens,": "run_with_hooks(source,",
        },
        "The two runs have changed places: the source is run, with an input of the other tokens put "
        "in. `tokens` is what runs; `source` only lends one input of one head.",
    ),
    Edit(
        "overwrites_what_it_kept",
        {
            "    _, cache = model.run_with_cache(source, names_filter=name)\n": "    cache = {}\n"
            "    keep = model.hook_dict[name].attach(\n"
            "        lambda activation, hook: cache.update({name: activation}), 'fwd', False, False\n"
            "    )\n"
            "    model(source)\n",
            RUN: "    try:\n    "
            + RUN
            + "    finally:\n        model.hook_dict[name].detach(keep)\n",
        },
        "Nothing is patched: what comes out is the run of `tokens` as it is. The hook that keeps the "
        "source's activation is still on in the second run, and keeps that run's own instead.",
    ),
    Edit(
        "hooks_left_on",
        {RUN: RUN.replace(")])", ")], reset_hooks_end=False)")},
        "Your hook is still on the model after the call, so the next run is patched as well. "
        "`run_with_hooks` and `with model.hooks(..)` take it off.",
    ),
    Edit(
        "resets_all_hooks",
        {
            '    name = f"blocks': ""
            '    model.reset_hooks(including_permanent=True)\n    name = f"blocks'
        },
        "Hooks that the caller had on the model are gone. Take off only your own, as "
        "`run_with_hooks` does.",
    ),
    Edit(
        "in_place",
        {"activation.clone()": "activation"},
        "You write into the activation itself. Somebody's hook had kept that tensor, and what it kept "
        "has changed. Write into a copy, and return it.",
    ),
    Edit(
        "noising",
        {
            "metric(patch_input(model, corrupted, clean,": "metric(patch_input(model, clean, corrupted,"
        },
        "The direction is swapped: the clean tokens run, with an input of the corrupted ones. What "
        "comes *back* is asked for, so the corrupted tokens run.",
    ),
    Edit(
        "late_binding",
        {"clean, which, layer, head)": 'clean, "v", layer, head)'},
        "All three shares are those of the values. A function that is made in a loop sees the loop's "
        "name as it is when it is called, after the last round: bind it, `which=which`.",
    ),
    Edit(
        "not_normalised",
        {SHARE: "value - low"},
        "The change of the metric is given as it is. Divide by the distance between the corrupted "
        "and the clean run's: then 1 means that all of it came back.",
    ),
    Edit(
        "over_the_clean_metric",
        {SHARE: "(value - low) / high"},
        "You divide by the clean run's metric. All that can come back is the distance from the "
        "corrupted run's metric to it.",
    ),
    Edit(
        "what_is_missing",
        {SHARE: "(high - value) / (high - low)"},
        "This is the share that did not come back: 1 for a patch that does nothing. Count from the "
        "corrupted run.",
    ),
    Edit(
        "absolute",
        {BEST: "    best = max(shares, key=lambda which: abs(shares[which]))\n"},
        "The verdict goes by the size of a share without its sign. A negative share drives the metric "
        "away from the clean run: that input does not bring it back.",
    ),
    Edit(
        "nearest_to_one",
        {BEST: "    best = min(shares, key=lambda which: abs(1 - shares[which]))\n"},
        "The verdict goes to the share that is nearest to 1. The largest is asked for; a patch may "
        "bring back more than all.",
    ),
    Edit(
        "always_a_verdict",
        {"best if shares[best] > 0.1 else None": "best"},
        "You name an input even where none brings anything to speak of back. Then the answer is "
        "None.",
    ),
    Edit(
        "first_that_is_large_enough",
        {BEST: "    best = next((which for which in shares if shares[which] > 0.1), 'q')\n"},
        "The first input with a share above 0.1 is named, and a later one may have more. Compare "
        "all three.",
    ),
    Edit(
        "which_ignored",
        {NAME: "attn.hook_q"},
        "The queries are patched, whatever `which` says.",
    ),
    Edit(
        "first_item",
        {PATCH: "        changed[0, :, head] = cache[name][0, :, head]\n"},
        "Only the first item of the batch is patched. All items are asked for.",
    ),
    Edit(
        "every_layer",
        {
            "model.run_with_cache(source, names_filter=name)": "model.run_with_cache(source)",
            PATCH: PATCH.replace("cache[name]", "cache[hook.name]"),
            RUN: RUN.replace(
                "[(name, patch)]", '[(lambda one: one.endswith(f".hook_{which}"), patch)]'
            ),
        },
        "A head of this number is patched in every layer. A head is a layer and a number.",
    ),
    Edit(
        "last_call_kept",
        {
            "    _, cache = model.run_with_cache(source, names_filter=name)\n": ""
            "    cache = vars(patch_input)\n"
            "    if name not in cache:\n"
            "        cache[name] = model.run_with_cache(source)[1][name]\n"
        },
        "What the first run of a source gave is used in later calls, for other tokens and another "
        "model. Run `source` in each call.",
    ),
    Edit(
        "resets_ordinary_hooks",
        {'    name = f"blocks': '    model.reset_hooks()\n    name = f"blocks'},
        "Hooks that the caller had on the model are gone: `reset_hooks` leaves only the permanent ones. "
        "Take off only your own, as `run_with_hooks` does.",
    ),
    Edit(
        "all_but_this_one",
        {VALUE: SEVERAL.replace("SOME", "if other != which")},
        "Each share is that of the two other inputs: they come from the clean run, and the one that is "
        "named stays corrupted. Patch this one alone.",
    ),
    Edit(
        "one_more_each_time",
        {VALUE: SEVERAL.replace("SOME", "if other in shares or other == which")},
        "The patches pile up: the share of the keys has the queries patched too, and that of the values "
        "all three. Each input is patched alone.",
    ),
    Edit(
        "kept_between_0_and_1",
        {SHARE: f"min(1.0, max(0.0, {SHARE}))"},
        "What is below 0 or above 1 is cut off. A patch can make the answer worse than the corrupted "
        "run, and better than the clean one.",
    ),
    Edit(
        "no_values",
        {'in "qkv":': 'in "qk":'},
        "There is no entry for the values. The dictionary has the keys q, k and v.",
    ),
    Edit(
        "absolute_throughout",
        {
            BEST: "    best = max(shares, key=lambda which: abs(shares[which]))\n",
            "if shares[best] > 0.1": "if abs(shares[best]) > 0.1",
        },
        "The verdict goes by the size of a share without its sign, and a share far below 0 is enough. A "
        "negative share drives the metric away from the clean run: that input does not bring it back.",
    ),
    Edit(
        "at_least",
        {"> 0.1": ">= 0.1"},
        "A share of exactly 0.1 is enough for you. More than that is asked for.",
    ),
    Edit(
        "share_for_a_name",
        {"return best if": "return shares[best] if"},
        "The largest share comes back, and its name is asked for: q, k or v.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "_, cache = model.run_with_cache(source, names_filter=name) -> _, cache = "
    "model.run_with_cache(source)": "Only this activation is read.",
}
