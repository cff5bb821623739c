"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit, slips

LAST = """    with model.hooks([(name, replace) for name in picked]):
        yield model
"""
VALUE = "cache[hook.name][:, :, chosen].mean(0)"
PUT = f"        z[:, :, chosen] = {VALUE}\n"
PICK = '        picked.setdefault(f"blocks.{layer}.attn.hook_z", []).append(head)\n'
RUN = "    _, cache = model.run_with_cache(reference)\n"
MEASURE = """            with ablate_heads(model, [(layer, head)], reference):
                row[head] = whole - metric(model(tokens))
"""

EDITS = [
    Edit(
        "mean_over_positions",
        {".mean(0)": ".mean((0, 1))"},
        "The mean goes over the positions as well. What is usual at a position is then lost too, and "
        "a word in the middle gets what is usual for a first word. The mean goes over the items.",
    ),
    Edit(
        "one_item",
        {VALUE: "cache[hook.name][0, :, chosen]"},
        "What stands in the place is the z of the first item of `reference`, with all that is "
        "particular to that one. The mean over the items is asked for.",
    ),
    Edit(
        "zeros",
        {VALUE: "0"},
        "Zeros stand in the head's place. A head's usual z is not zero, so the model meets something "
        "that it has never met, and more is lost than what the head knows of this input.",
    ),
    Edit(
        "mean_of_the_run_itself",
        {VALUE: "z[:, :, chosen].mean(0)"},
        "The mean is that of the run in the block, over its own items. Of a run of one item that is "
        "the item itself, and nothing is ablated. The mean over `reference` is asked for.",
    ),
    Edit(
        "reference_runs_ablated",
        {
            RUN: "    cache = {}\n",
            PUT: "        cache[hook.name] = z\n"
            "        z = z.clone()\n"
            "        z[:, :, chosen] = z[:, :, chosen].mean(0)\n",
            LAST: """    means = {}

    def put(z, hook):
        z = z.clone()
        z[:, :, picked[hook.name]] = means[hook.name]
        return z

    pairs = [(name, replace) for name in picked]
    with model.hooks(pairs):
        model(reference)
    means = {name: cache[name][:, :, picked[name]].mean(0) for name in picked}
    with model.hooks([(name, put) for name in picked]):
        yield model
""",
        },
        "The means of later layers come from a run in which the earlier heads are ablated already. "
        "Run `reference` once, before any of them is, and take all means from that run.",
    ),
    Edit(
        "mean_of_a_bare_model",
        {
            RUN: "    with model.hooks([]):\n        pass\n    kept = {p: list(p.fwd_hooks) for p in model.hook_points()}\n"
            "    for point in kept:\n        point.fwd_hooks.clear()\n"
            + RUN
            + "    for point, hooks in kept.items():\n        point.fwd_hooks[:] = hooks\n"
        },
        "The run of `reference` was made without the hooks that others have on the model. They are "
        "part of the model that is ablated here, and are on in both runs.",
    ),
    Edit(
        "whole_layer",
        {VALUE: "cache[hook.name].mean(0)", "z[:, :, chosen] =": "z[:] ="},
        "All heads of a layer go, and not only those that were named. z is [batch, pos, head, "
        "d_head]: write to the named places of the third axis.",
    ),
    Edit(
        "every_layer",
        {
            PICK: "        for name in model.hook_dict:\n"
            '            if name.endswith("attn.hook_z"):\n'
            "                picked.setdefault(name, []).append(head)\n"
        },
        "A head of this number goes in every layer. A head is a layer and a number.",
    ),
    Edit(
        "last_head_of_a_layer",
        {PICK: '        picked[f"blocks.{layer}.attn.hook_z"] = [head]\n'},
        "Of several heads of one layer only the last is ablated. A dictionary from layers to heads "
        "keeps one head a layer, unless its values are lists.",
    ),
    Edit(
        "late_binding",
        {
            "chosen, z = picked[hook.name], z.clone()": "chosen, z = [head], z.clone()",
            "    picked = {}\n": "    picked, head = {}, 0\n",
        },
        "In every layer that is named, the last head of the list goes. A function that is made in a "
        "loop reads the loop's variable when it is called, and the loop is over by then. Bind it: "
        "`def replace(z, hook, head=head)`, or `functools.partial`.",
    ),
    Edit(
        "last_axis",
        {VALUE: "cache[hook.name][..., chosen].mean(0)", "z[:, :, chosen] =": "z[..., chosen] ="},
        "One of the d_head numbers of every head is replaced, and no head. z is [batch, pos, head, "
        "d_head]; the head is the axis before the last.",
    ),
    Edit(
        "first_run_only",
        {
            PUT: "        if hook.name in replaced:\n            return z\n        replaced.add(hook.name)\n"
            + PUT,
            "    picked = {}\n": "    picked, replaced = {}, set()\n",
        },
        "Only the first run in the block is ablated. The hooks are on until the block is left.",
    ),
    Edit(
        "in_place",
        {"chosen, z = picked[hook.name], z.clone()": "chosen = picked[hook.name]"},
        "The hook writes into the tensor that it was given. A hook that was on before yours has kept "
        "that tensor, and now holds something that the head never wrote. Change a copy, and return it.",
    ),
    Edit(
        "left_on_after_an_exception",
        {
            LAST: """    handles = [
        (model.hook_dict[name], model.hook_dict[name].attach(replace, "fwd", False, False))
        for name in picked
    ]
    yield model
    for point, handle in handles:
        point.detach(handle)
"""
        },
        "The hooks come off at the end of the block, but not when the block raises. What stands "
        "after `yield` is skipped then, unless it is in a `finally` or in a `with`.",
    ),
    Edit(
        "left_on_after_an_interrupt",
        {
            LAST: """    handles = [
        (model.hook_dict[name], model.hook_dict[name].attach(replace, "fwd", False, False))
        for name in picked
    ]
    try:
        yield model
    except Exception:
        for point, handle in handles:
            point.detach(handle)
        raise
    else:
        for point, handle in handles:
            point.detach(handle)
"""
        },
        "The hooks come off after an Exception, and not after a KeyboardInterrupt, which is none. A "
        "`finally`, or a `with`, works whatever was raised.",
    ),
    Edit(
        "takes_off_those_of_others",
        {
            LAST: """    for name in picked:
        model.add_hook(name, replace)
    try:
        yield model
    finally:
        model.reset_hooks()
"""
        },
        "`reset_hooks` takes off the hooks of others too. Take off yours, by `model.hooks(..)` or by "
        "the handle that `attach` gave.",
    ),
    Edit(
        "effect_of_the_wrong_sign",
        {"whole - metric(model(tokens))": "metric(model(tokens)) - whole"},
        "The effects have the wrong sign. The effect is what is lost: the metric as it is, less the "
        "metric without the head.",
    ),
    Edit(
        "effect_without_a_sign",
        {"whole - metric(model(tokens))": "abs(whole - metric(model(tokens)))"},
        "The effects have no sign. A head without which the metric rises has a negative effect.",
    ),
    Edit(
        "metric_without_the_head",
        {"whole - metric(model(tokens))": "metric(model(tokens))"},
        "The metric without each head is given. Its effect is the metric as it is, less that.",
    ),
    Edit(
        "one_after_another",
        {
            "    for layer, row in enumerate(effects):\n": "    gone = []\n    for layer, row in enumerate(effects):\n",
            MEASURE: """            gone.append((layer, head))
            with ablate_heads(model, gone, reference):
                row[head] = whole - metric(model(tokens))
""",
        },
        "The heads go one after another, and none comes back. The effect of a head is asked for with "
        "all other heads in place.",
    ),
    Edit(
        "layer_for_a_head",
        {
            "[(layer, head)], reference": "[(layer, other) for other in range(len(row))], reference",
        },
        "All heads of a layer have the same effect: that of the whole layer. One head at a time is "
        "ablated.",
    ),
    Edit(
        "metric_of_the_reference",
        {"whole = metric(model(tokens))": "whole = metric(model(reference))"},
        "The metric without a head is compared with that of the run of `reference`. The same "
        "`tokens` are run with the head and without it.",
    ),
    Edit(
        "transposed",
        {"    return effects\n": "    return effects.T\n"},
        "The result is [head, layer]. [layer, head] is asked for.",
    ),
    Edit(
        "one_run_for_each_head",
        {
            RUN: "    cache = {}\n",
            LAST: """    with ExitStack() as stack:
        for layer, head in dict.fromkeys(heads):
            name = f"blocks.{layer}.attn.hook_z"
            mean = model.run_with_cache(reference)[1][name][:, :, head].mean(0)

            def put(z, hook, head=head, mean=mean):
                z = z.clone()
                z[:, :, head] = mean
                return z

            stack.enter_context(model.hooks([(name, put)]))
        yield model
""",
            "from contextlib import contextmanager\n": "from contextlib import ExitStack, contextmanager\n",
        },
        "The mean of each head comes from a run in which the heads before it in the list are ablated "
        "already. Run `reference` once, before any of them is, and take all means from that run.",
    ),
    Edit(
        "differences_added",
        {
            PUT: """        usual, own = cache[hook.name].mean(0), z.clone()
        for head in chosen:
            z[:, :, head] += usual[:, head] - own[:, :, head]
"""
        },
        "A head that is named twice is moved twice, past its mean: the difference is added for each "
        "pair. The same pair twice is as good as once.",
    ),
    Edit(
        "left_on_after_an_exception_each_pair",
        {
            LAST: """    handles = []
    for layer, _ in heads:
        point = model.hook_dict[f"blocks.{layer}.attn.hook_z"]
        handles.append((point, point.attach(replace, "fwd", False, False)))
    yield model
    for point, handle in handles:
        point.detach(handle)
"""
        },
        "The hooks, one for each pair, come off at the end of the block, but not when the block raises. "
        "What stands after `yield` is skipped then, unless it is in a `finally` or in a `with`.",
    ),
    Edit(
        "takes_off_those_at_its_points",
        {
            LAST: """    for name in picked:
        model.add_hook(name, replace)
    try:
        yield model
    finally:
        for name in picked:
            model.hook_dict[name].remove_hooks()
"""
        },
        "At the hook points that you used, hooks of others come off too: `remove_hooks` takes all that "
        "are not permanent. Take off yours, by `model.hooks(..)` or by the handle that `attach` gave.",
    ),
    Edit(
        "effect_on_the_reference",
        {"whole - metric(model(tokens))": "whole - metric(model(reference))"},
        "It is `reference` that runs without the head, and its metric is taken off. `tokens` are run "
        "with the head and without it; `reference` only lends the means.",
    ),
    Edit(
        "relative_effect",
        {"whole - metric(model(tokens))": "(whole - metric(model(tokens))) / whole"},
        "The effects are divided by the metric of the run as it is. By how much the metric falls is "
        "asked for, and not which share of it.",
    ),
    Edit(
        "logits_of_the_last_position",
        {
            "whole = metric(model(tokens))": "whole = metric(model(tokens)[:, -1:])",
            "whole - metric(model(tokens))": "whole - metric(model(tokens)[:, -1:])",
        },
        "The metric gets the logits of the last position only. Which positions count is its own "
        "affair: give it all.",
    ),
]

# An empty list of heads: what fails on the way, as `zip(*heads)` and `torch.stack([])` do.
EDITS += slips(
    "    picked = {}\n",
    {"not heads": "An empty list of heads"},
    {
        f"raise {kind}('no heads')": f"fails, with {a} {kind}. Nothing is replaced then, and the "
        "block runs."
        for a, kind in (("a", "ValueError"), ("an", "IndexError"), ("a", "RuntimeError"))
    },
)

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {}
