"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

RUN = "model.run_with_hooks(corrupted, fwd_hooks=[(is_z, keep)])"
GRADS = "        grads = torch.autograd.grad(value, seen)\n"
DIFFERENCE = '(source["z", layer] - z)'
START = """        if not z.requires_grad:
            z = z.detach().requires_grad_()
"""
PATCHES = """    change = torch.zeros(model.cfg.n_layers, clean.shape[1], model.cfg.n_heads)
    with torch.no_grad():
        for layer, pos, head in torch.cartesian_prod(*map(torch.arange, change.shape)).tolist():

            def put(z, hook):
                z = z.clone()
                z[:, pos, head] = source["z", layer][:, pos, head]
                return z

            hooks = [(f"blocks.{layer}.attn.hook_z", put)]
            change[layer, pos, head] = metric(model.run_with_hooks(corrupted, fwd_hooks=hooks)) - value
    return change
    rows = []
"""

EDITS = [
    Edit(
        "gradient_at_clean",
        {
            "        _, source = model.run_with_cache(clean, names_filter=is_z)\n": ""
            "        _, source = model.run_with_cache(clean, names_filter=is_z)\n"
            "        _, there = model.run_with_cache(corrupted, names_filter=is_z)\n",
            RUN: RUN.replace("corrupted", "clean"),
            "enumerate(zip(seen, grads))": ""
            'enumerate(zip([there["z", i] for i in range(model.cfg.n_layers)], grads))',
        },
        "Your gradient is that of the clean run. The patch starts from the corrupted run, so the "
        "slope there counts. At the clean run it would estimate the patch in the other direction.",
    ),
    Edit(
        "gradient_with_all_patched",
        {
            START: "        old = z.detach()\n"
            '        z = source["z", hook.layer()].clone().requires_grad_()\n',
            "here[hook.layer()] = z": "here[hook.layer()] = z, old",
            "seen = [here[layer] for": "seen = [here[layer][0] for",
            "enumerate(zip(seen, grads))": ""
            "enumerate(zip([here[i][1] for i in range(model.cfg.n_layers)], grads))",
        },
        "Your gradient is taken in a run that has the clean z of every head in it already. It is "
        "asked for in the corrupted run, in which nothing is patched. A hook that stores must not "
        "replace the value.",
    ),
    Edit(
        "wrong_sign",
        {DIFFERENCE: '(z - source["z", layer])'},
        "The sign is turned round. A patch takes z from its corrupted to its clean value: the change "
        "is clean minus corrupted.",
    ),
    Edit(
        "clean_only",
        {DIFFERENCE: 'source["z", layer]'},
        "The gradient is multiplied by the clean z itself. A patch changes z by the difference, "
        "clean minus corrupted. Where both are equal the estimate is zero.",
    ),
    Edit(
        "corrupted_only",
        {DIFFERENCE: "z"},
        "The gradient is multiplied by z of the same run. That estimates something else: what is "
        "lost with zeros in its place, with the other sign. The change is clean minus corrupted.",
    ),
    Edit(
        "summed_before_the_product",
        {"(" + DIFFERENCE + " * grad).sum((0, 3))": DIFFERENCE + ".sum((0, 3)) * grad.sum((0, 3))"},
        "Difference and gradient are each summed, and multiplied then. Each of z's numbers has a "
        "gradient of its own: multiply first, then sum.",
    ),
    Edit(
        "another_layers_clean",
        {DIFFERENCE: '(source["z", model.cfg.n_layers - 1] - z)'},
        "The clean z of the last layer stands in for that of every layer. A name that is set in a "
        "loop keeps its last value afterwards: look it up layer by layer.",
    ),
    Edit(
        "cut_at_every_layer",
        {START: "        z = z.detach().requires_grad_()\n"},
        "The graph is cut at every z, so an early head gets no gradient through later layers' "
        "heads. Start a graph only where there is none: where `z.requires_grad` is False.",
    ),
    Edit(
        "mean_over_items",
        {"grad).sum((0, 3))": "grad).mean(0).sum(-1)"},
        "You take the mean over the items. The metric is one number for the whole batch already, and "
        "a patch changes all items at once: sum over them.",
    ),
    Edit(
        "heads_summed",
        {"grad).sum((0, 3))": "grad).sum((0, 2))"},
        "The heads are summed, and d_head is left. z is [batch, pos, head, d_head]: sum over the "
        "first and the last axis.",
    ),
    Edit(
        "positions_summed",
        {"grad).sum((0, 3))": "grad).sum((0, 1, 3))"},
        "The positions are summed as well. A number for each layer, position and head is asked for.",
    ),
    Edit(
        "not_the_change",
        {"torch.stack(rows)": "torch.stack(rows).add(value)"},
        "You give the estimated metric. Its change is asked for: leave out the corrupted run's own "
        "value.",
    ),
    Edit(
        "backward",
        {
            "        here[hook.layer()] = z\n": "        z.retain_grad()\n        here[hook.layer()] = z\n",
            GRADS: "        value.backward()\n        grads = [z.grad for z in seen]\n",
        },
        "The numbers are right, and the parameters have changed: `backward()` adds to the `grad` of "
        "each. `torch.autograd.grad` gives the gradients that you ask for, and touches no parameter.",
    ),
    Edit(
        "backward_then_cleared",
        {
            "        here[hook.layer()] = z\n": "        z.retain_grad()\n        here[hook.layer()] = z\n",
            GRADS: "        value.backward()\n        grads = [z.grad for z in seen]\n"
            "        model.zero_grad()\n",
        },
        "After your call no parameter has a `grad`. Gradients that the caller had there are gone. "
        "`torch.autograd.grad` touches no parameter, so nothing has to be cleared.",
    ),
    Edit(
        "no_graph_where_frozen",
        {START: ""},
        "Where the model's parameters need no gradient there is no graph, and nothing to "
        "differentiate. Let one begin at z: give back `z.detach().requires_grad_()` from the hook, "
        "where z needs none yet.",
    ),
    Edit(
        "not_under_no_grad",
        {"    with torch.enable_grad():\n": "    if True:\n"},
        "Under `torch.no_grad()` no graph is made, and there is nothing to differentiate. Turn "
        "gradients on for the corrupted run, with `torch.enable_grad()`.",
    ),
    Edit(
        "grad_mode_left_on",
        {"    with torch.enable_grad():\n": "    torch.set_grad_enabled(True)\n    if True:\n"},
        "Gradients are on after your call, also where the caller had turned them off. "
        "`torch.enable_grad()` in a `with` gives the mode back.",
    ),
    Edit(
        "unfreezes_the_model",
        {"    here = {}\n": "    here = {}\n    model.requires_grad_(True)\n"},
        "The parameters need gradients after your call, and did not before. The graph can begin at "
        "z instead; the model need not know.",
    ),
    Edit(
        "keeps_the_graph",
        {"    return torch.stack(rows).detach()\n": "    return torch.stack(rows)\n"},
        "The result needs a gradient, so it keeps the whole run's graph in memory for as long as it "
        "lives. Detach it.",
    ),
    Edit(
        "hooks_left_on",
        {RUN: RUN.replace(")]", ")], reset_hooks_end=False")},
        "Your hooks are still on the model after the call. `run_with_hooks` and `with model.hooks(..)` "
        "take them off again.",
    ),
    Edit(
        "resets_all_hooks",
        {"    rows = []\n": "    rows = []\n    model.reset_hooks()\n"},
        "Hooks that the caller had on the model are gone. Take off only your own, as "
        "`run_with_hooks` does.",
    ),
    Edit(
        "gradient_alone",
        {DIFFERENCE + " * grad": "grad"},
        "The gradient alone is summed. Multiply it by the change of z, clean minus corrupted.",
    ),
    Edit(
        "the_same_run_twice",
        {DIFFERENCE: "(z.detach() - z)"},
        "All estimates are 0: both z are those of the corrupted run. One of them comes from a run of "
        "`clean`.",
    ),
    Edit(
        "first_item",
        {"grad).sum((0, 3))": "grad)[0].sum(-1)"},
        "Only the first item of the batch counts. Sum over the items.",
    ),
    Edit(
        "without_a_sign",
        {"torch.stack(rows)": "torch.stack(rows).abs()"},
        "The estimates have no sign. A patch can make the metric smaller.",
    ),
    Edit(
        "freezes_the_model",
        {"    here = {}\n": "    here = {}\n    model.requires_grad_(False)\n"},
        "The parameters need no gradients after your call, and did before. `torch.autograd.grad` leaves "
        "them alone as they are.",
    ),
    Edit(
        "true_changes",
        {"    rows = []\n": PATCHES},
        "These are the true changes, of one patch after another, and no estimates. The estimate is to "
        "first order: difference times gradient, for all heads from one backward pass.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "with torch.no_grad(): / _, source = model.run_with_cache(clean, names_filter=is_z) -> "
    "_, source = model.run_with_cache(clean, names_filter=is_z)": "The graph of the clean run is "
    "not used, and goes when the call ends.",
    "here = {} -> _kept = {} / here = _kept": "Each call writes every entry that it reads.",
    "_, source = model.run_with_cache(clean, names_filter=is_z) -> _, source = "
    "model.run_with_cache(clean)": "Only z is read.",
    "z = z.detach().requires_grad_() -> z = z.requires_grad_()": "It has no graph to be cut off.",
    "rows.append(((source['z', layer] - z) * grad).sum((0, 3))) -> "
    "rows.append((source['z', layer].sub_(z) * grad).sum((0, 3)))": "The clean run's cache was made "
    "here, and each layer is read once.",
}
