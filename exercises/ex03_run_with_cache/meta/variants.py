"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

ALL = "names_filter is None or names_filter(name)"
HOOKS = "    with model.hooks([(name, keep) for name in names]):\n        logits = model(tokens)\n"

EDITS = [
    Edit(
        "keeps_the_graph",
        {"tensor.detach()": "tensor"},
        "The cached tensors still hang on the graph, so the cache keeps every intermediate result "
        "alive. `detach()` lets go of the graph and copies nothing.",
    ),
    Edit(
        "clones",
        {"tensor.detach()": "tensor.detach().clone()"},
        "Every activation is copied, so that a run with a cache takes twice the memory. `detach()` "
        "alone shares the memory with the activation.",
    ),
    Edit(
        "clones_the_graph",
        {"tensor.detach()": "tensor.clone()"},
        "`clone()` copies the memory and keeps the graph: the opposite of what is asked for. "
        "`detach()` lets go of the graph and copies nothing.",
    ),
    Edit(
        "no_grad",
        {
            "        logits = model(tokens)\n": "        import torch\n        with torch.no_grad():\n            logits = model(tokens)\n"
        },
        "The logits have lost their graph: the run went under `no_grad`. Only what goes into the "
        "cache is detached.",
    ),
    Edit(
        "cuts_the_run",
        {"tensor.detach()\n": "tensor.detach()\n        return cache[hook.name]\n"},
        "The hook hands the detached tensor on, and that cuts the model's own graph. A hook that "
        "only looks returns None.",
    ),
    Edit(
        "detaches_the_logits",
        {"return logits, cache": "return logits.detach(), cache"},
        "The logits that you return are detached: no gradient flows from them. They are those of a "
        "plain `model(tokens)`, with their graph.",
    ),
    Edit(
        "filters_afterwards",
        {
            ALL: "True",
            "return logits, cache": "return logits, {n: t for n, t in cache.items() if names_filter is None or names_filter(n)}",
        },
        "Everything is stored during the run, and only then sorted out. A filter is there to save "
        "memory: decide by name before the run which hook points to listen to.",
    ),
    Edit(
        "filter_ignored",
        {ALL: "True"},
        "The filter is never asked. `names_filter(name)` says for each name whether it is kept.",
    ),
    Edit(
        "filter_inverted",
        {ALL: "names_filter is None or not names_filter(name)"},
        "The filter is taken the other way round: it says what to keep.",
    ),
    Edit(
        "before_the_others",
        {
            HOOKS: """    on = [model.hook_dict[name] for name in names]
    handles = [point.attach(keep, "fwd", False, True) for point in on]
    try:
        logits = model(tokens)
    finally:
        for point, handle in zip(on, handles):
            point.detach(handle)
"""
        },
        "The cache holds what came before the user's hooks changed it. Hooks run in the order added: "
        "attach yours last, so that it sees what the model goes on with.",
    ),
    Edit(
        "resets_hooks",
        {"    return logits, cache": "    model.reset_hooks()\n    return logits, cache"},
        "The user's own hooks are gone after the run: `reset_hooks` takes off everybody's. Take off "
        "only yours; `with model.hooks(..)` does that.",
    ),
    Edit(
        "resets_before",
        {"    cache = {}\n": "    cache = {}\n    model.reset_hooks()\n"},
        "The user's own hooks are taken off before the run, so that it is another run. Add yours to "
        "them, and take only yours off.",
    ),
    Edit(
        "left_on",
        {
            HOOKS: "    for name in names:\n        model.hook_dict[name].add_hook(keep)\n    logits = model(tokens)\n"
        },
        "Your hooks are still on after the run, so the next run is observed too. They have to come "
        "off: `with model.hooks(..)`.",
    ),
    Edit(
        "left_on_after_a_failure",
        {
            HOOKS: """    on = [model.hook_dict[name] for name in names]
    handles = [point.attach(keep, "fwd", False, False) for point in on]
    logits = model(tokens)
    for point, handle in zip(on, handles):
        point.detach(handle)
"""
        },
        "Your hooks come off after a run that ends well, and not after one that raises. "
        "`with model.hooks(..)`, or a `finally`, takes them off in any case.",
    ),
    Edit(
        "left_on_after_an_interrupt",
        {
            HOOKS: """    on = [model.hook_dict[name] for name in names]
    handles = [point.attach(keep, "fwd", False, False) for point in on]
    try:
        logits = model(tokens)
    except Exception:
        for point, handle in zip(on, handles):
            point.detach(handle)
        raise
    for point, handle in zip(on, handles):
        point.detach(handle)
"""
        },
        "Your hooks stay on after a KeyboardInterrupt, which is no Exception. `with "
        "model.hooks(..)`, or a `finally`, takes them off in any case.",
    ),
    Edit(
        "no_filter_keeps_nothing",
        {ALL: "names_filter is not None and names_filter(name)"},
        "Without a filter nothing is cached. None means that every name is kept.",
    ),
    Edit(
        "late_binding",
        {
            "        cache[hook.name] = tensor.detach()": "        cache[name] = tensor.detach()",
            "    names = [": "    name = list(model.hook_dict)[-1]\n    names = [",
        },
        "Everything is stored under one name. A function made in a loop sees the loop's variable as "
        "it is when it runs: the last one. `hook.name` is always right.",
    ),
    Edit(
        "runs_again",
        {"    return logits, cache": "    return model(tokens), cache"},
        "The model runs twice: once for the cache, once for the logits. One run gives both.",
    ),
    Edit(
        "cache_first",
        {"return logits, cache": "return cache, logits"},
        "The cache and the logits are the wrong way round: (logits, cache) is asked for.",
    ),
    Edit(
        "first_item",
        {"tensor.detach()": "tensor[0].detach()"},
        "Only the first item of the batch is stored. The cache holds the activation as it is, with "
        "all its axes.",
    ),
    Edit(
        "squeezed",
        {"tensor.detach()": "tensor.detach().squeeze()"},
        "Axes of size 1 are lost: `squeeze()` takes them all away. The cache holds the activation "
        "with all its axes.",
    ),
    Edit(
        "short_names",
        {"cache[hook.name]": "cache[hook.name.split('.')[-1]]"},
        "The names are cut to their last word, and blocks overwrite each other. The full name, "
        "`hook.name`, is the key.",
    ),
    Edit(
        "one_cache_for_all",
        {
            "def run_with_cache": "_cache = {}\n\n\ndef run_with_cache",
            "    cache = {}\n": "    cache = _cache\n",
        },
        "All calls share one dictionary, so that a second run changes the first one's cache. Make it "
        "in the function, and not outside of it or as a default argument.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
