"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

PUT = "resid[:, pos] = cache[hook.name][:, pos]"
HOOK = """            def put(resid, hook):
                resid = resid.clone()
                resid[:, pos] = cache[hook.name][:, pos]
                return resid

"""
RUN = """            patched = metric(model.run_with_hooks(corrupted_tokens, fwd_hooks=hooks))
"""
HOOKS = """            hooks = [(f"blocks.{layer}.hook_resid_pre", put)]
"""
SCALED = "(patched - low) / (high - low)"
ROW = f"            row[pos] = {SCALED}\n"
CLEAN = "    clean_logits, cache = model.run_with_cache(clean_tokens)\n"

EDITS = [
    Edit(
        "direction_swapped",
        {
            CLEAN: "    clean_logits = model(clean_tokens)\n"
            "    _, cache = model.run_with_cache(corrupted_tokens)\n",
            "run_with_hooks(corrupted_tokens": "run_with_hooks(clean_tokens",
        },
        "The direction is swapped: activations of the corrupted run are put into the clean one. That "
        "is noising, and asks what is needed. Run the corrupted tokens, and put the clean stream in.",
    ),
    Edit(
        "not_normalised",
        {SCALED: "patched"},
        "The metric itself is given. Bring it on the scale that was asked for: 0 as in the corrupted "
        "run, 1 as in the clean one.",
    ),
    Edit(
        "change_of_the_metric",
        {SCALED: "patched - low"},
        "The change of the metric is given, from that of the corrupted run on. Divide it by the "
        "whole way, from the corrupted run's metric to the clean one's.",
    ),
    Edit(
        "upside_down",
        {SCALED: "(patched - high) / (low - high)"},
        "The scale is upside down: 0 is the clean run, and 1 the corrupted one. A patch that does "
        "nothing has 0 when the scale begins at the corrupted run.",
    ),
    Edit(
        "wrong_sign",
        {SCALED: "(low - patched) / (high - low)"},
        "All signs are wrong: what brings the clean answer back is negative. Take the corrupted "
        "run's metric off on both sides of the fraction.",
    ),
    Edit(
        "divided_by_the_clean_metric",
        {SCALED: "(patched - low) / high"},
        "The change is divided by the clean run's metric. That gives 1 for the clean run only where "
        "the corrupted run has 0. Divide by the way between the two.",
    ),
    Edit(
        "length_of_the_way",
        {SCALED: "(patched - low) / abs(high - low)"},
        "The change is divided by the size of the way, without its sign. Where the clean run has the "
        "smaller metric everything gets the wrong sign.",
    ),
    Edit(
        "kept_between_0_and_1",
        {ROW: ROW + "    sweep = sweep.clamp(0, 1)\n"},
        "What is below 0 or above 1 is cut off. A patch can make the answer worse than the corrupted "
        "run, and better than the clean one.",
    ),
    Edit(
        "the_position_before",
        {PUT: "resid[:, pos - 1] = cache[hook.name][:, pos - 1]"},
        "The patch is one position off: it stands in the place before the one that its column names.",
    ),
    Edit(
        "up_to_the_position",
        {PUT: "resid[:, : pos + 1] = cache[hook.name][:, : pos + 1]"},
        "All positions up to the one of the column are patched together. A patch is one position.",
    ),
    Edit(
        "from_the_position_on",
        {PUT: "resid[:, pos:] = cache[hook.name][:, pos:]"},
        "All positions from the one of the column on are patched together. A patch is one position.",
    ),
    Edit(
        "first_item",
        {PUT: "resid[0, pos] = cache[hook.name][0, pos]"},
        "Only the first item of the batch is patched. The stream is [batch, pos, d_model]: all items, "
        "one position.",
    ),
    Edit(
        "added",
        {PUT: "resid[:, pos] += cache[hook.name][:, pos]"},
        "The clean stream is added to the corrupted one. It takes its place.",
    ),
    Edit(
        "resid_post",
        {".hook_resid_pre": ".hook_resid_post"},
        "The stream is patched behind the layer's attention, at `hook_resid_post` or `hook_resid_mid` "
        "(at one position they have the same effect). The attention has read the corrupted stream by "
        "then. Row 0 shows it: before layer 0 only places where the words differ can matter.",
    ),
    Edit(
        "late_binding",
        {
            "    sweep = torch.zeros(": "    every = {}\n    sweep = torch.zeros(",
            HOOKS
            + RUN
            + ROW: """            every[layer, pos] = [(f"blocks.{layer}.hook_resid_pre", put)]
    for (layer, where), hooks in every.items():
        patched = metric(model.run_with_hooks(corrupted_tokens, fwd_hooks=hooks))
        sweep[layer, where] = (patched - low) / (high - low)
""",
        },
        "Every patch is at the last position, whatever its column. A function that is made in a loop "
        "reads the loop's variable when it is called. If the hooks are made first and run later, "
        "bind it: `def put(resid, hook, pos=pos)`, or `functools.partial`.",
    ),
    Edit(
        "hooks_left_on",
        {
            RUN: """            for name, hook in hooks:
                model.add_hook(name, hook)
            patched = metric(model(corrupted_tokens))
"""
        },
        "The hooks are never taken off. Each patch is made on top of all earlier ones, and the model "
        "is left with them.",
    ),
    Edit(
        "takes_off_those_of_others",
        {
            RUN: """            for name, hook in hooks:
                model.add_hook(name, hook)
            try:
                patched = metric(model(corrupted_tokens))
            finally:
                model.reset_hooks()
"""
        },
        "`reset_hooks` takes off the hooks of others too. `run_with_hooks` and `model.hooks(..)` take "
        "off exactly what they put on.",
    ),
    Edit(
        "left_on_when_the_metric_raises",
        {
            RUN: """            points = [(model.hook_dict[name], hook) for name, hook in hooks]
            handles = [(point, point.attach(hook, "fwd", False, False)) for point, hook in points]
            patched = metric(model(corrupted_tokens))
            for point, handle in handles:
                point.detach(handle)
"""
        },
        "Where the metric raises, a hook stays on the model. `run_with_hooks` is done with its hooks "
        "before the metric is called; otherwise a `finally` takes them off.",
    ),
    Edit(
        "clean_run_changed_in_place",
        {
            HOOK: """            def put(resid, hook):
                clean = cache[hook.name]
                clean[:, :pos] = resid[:, :pos]
                clean[:, pos + 1 :] = resid[:, pos + 1 :]
                return clean

"""
        },
        "The patches write into the clean run's own tensor, so the next ones find no clean stream "
        "there any more. Clone one of the two streams, and change the copy.",
    ),
    Edit(
        "in_place",
        {"                resid = resid.clone()\n": ""},
        "The hook writes into the tensor that it was given. A hook that was on before yours has kept "
        "that tensor, and now holds a stream that the model never had. Change a copy, and return it.",
    ),
    Edit(
        "item_by_item",
        {
            "    high, low = metric(clean_logits), metric(model(corrupted_tokens))\n": "    low_logits = model(corrupted_tokens)\n",
            RUN: "            logits = model.run_with_hooks(corrupted_tokens, fwd_hooks=hooks)\n",
            ROW: """            shares = []
            for item in range(len(logits)):
                one = slice(item, item + 1)
                low, high = metric(low_logits[one]), metric(clean_logits[one])
                shares.append((metric(logits[one]) - low) / (high - low))
            row[pos] = sum(shares) / len(shares)
""",
        },
        "The metric is called for one item at a time. It measures a run: give it the logits of the "
        "whole batch.",
    ),
    Edit(
        "logits_of_the_last_position",
        {
            "metric(clean_logits), metric(model(corrupted_tokens))": "metric(clean_logits[:, -1:]), metric(model(corrupted_tokens)[:, -1:])",
            RUN: "            patched = metric(model.run_with_hooks(corrupted_tokens, fwd_hooks=hooks)[:, -1:])\n",
        },
        "The metric gets the logits of the last position only. Which positions count is its own "
        "affair: give it all.",
    ),
    Edit(
        "transposed",
        {"    return sweep\n": "    return sweep.T\n"},
        "The result is [pos, layer]. [layer, pos] is asked for.",
    ),
    Edit(
        "without_a_sign",
        {SCALED: "abs(patched - low) / abs(high - low)"},
        "The results have no sign. A patch that makes the answer worse than the corrupted run is below "
        "0.",
    ),
    Edit(
        "over_the_way_alone",
        {SCALED: "patched / (high - low)"},
        "The metric itself is divided by the way from the corrupted run to the clean one. Take the "
        "corrupted run's metric off first: a patch that does nothing has 0.",
    ),
    Edit(
        "patches_pile_up",
        {
            "def put(resid, hook):": "def put(resid, hook, pos=pos):",
            HOOKS: HOOKS + "            every += hooks\n            hooks = every\n",
            "    sweep = torch.zeros(": "    every = []\n    sweep = torch.zeros(",
        },
        "Each patch is made on top of all earlier ones. Each is alone: take a hook off before the next "
        "run.",
    ),
    Edit(
        "from_the_layer_on",
        {
            HOOKS: """            layers = range(layer, model.cfg.n_layers)
            hooks = [(f"blocks.{one}.hook_resid_pre", put) for one in layers]
"""
        },
        "The position is patched before this layer and before all later ones. A patch is one layer.",
    ),
    Edit(
        "last_layer_missing",
        {"enumerate(sweep)": "enumerate(sweep[:-1])"},
        "The row of the last layer is all 0: nothing was patched there.",
    ),
    Edit(
        "kind_of_the_metric",
        {
            "corrupted_tokens.shape[1])": "corrupted_tokens.shape[1], dtype=torch.as_tensor(high).dtype)"
        },
        "Where the metric is an int, the results are whole numbers too, cut off. A share is a fraction: "
        "make the result of floats.",
    ),
    Edit(
        "asks_a_float_for_its_item",
        {RUN: RUN.replace("hooks))", "hooks)).item()")},
        "A metric that is a float or an int already fails: it has no `item`. `float(..)` takes tensors, "
        "floats and ints.",
    ),
    Edit(
        "logits_without_positions",
        {
            "metric(clean_logits), metric(model(corrupted_tokens))": "metric(clean_logits[:, -1]), metric(model(corrupted_tokens)[:, -1])",
            RUN: RUN.replace("hooks))", "hooks)[:, -1])"),
        },
        "The metric gets the logits of the last position only, without the axis of positions, and fails. "
        "Which positions count is its own affair: give it all, [batch, pos, d_vocab].",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {}
