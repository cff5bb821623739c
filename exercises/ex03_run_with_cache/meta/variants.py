"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "before_the_others",
        {
            "    cache = {}\n": "    cache, tickets = {}, []\n",
            "    names = [name for name in model.hook_dict if names_filter is None or names_filter(name)]\n    with model.hooks([(name, keep) for name in names]):\n        logits = model(tokens)\n    return logits, cache\n": '    for name, point in model.hook_dict.items():\n        if names_filter is None or names_filter(name):\n            tickets.append((point, point.attach(keep, "fwd", False, True)))\n    try:\n        return model(tokens), cache\n    finally:\n        for point, ticket in tickets:\n            point.detach(ticket)\n',
        },
        "Your hook runs before the user's hooks, and caches a tensor that the model never used. Append your hook: hooks run in the order added, so the last one sees what flows on.",
    ),
    Edit(
        "clones",
        {
            "        cache[hook.name] = tensor.detach()\n": "        cache[hook.name] = tensor.detach().clone()\n"
        },
        "Each activation is copied. A cache of a large model then needs its memory twice. `detach()` gives a tensor that shares the memory; `clone()` and `deepcopy` do not.",
    ),
    Edit(
        "filters_afterwards",
        {
            "    names = [name for name in model.hook_dict if names_filter is None or names_filter(name)]\n": "    names = list(model.hook_dict)\n",
            "        logits = model(tokens)\n": "        logits = model(tokens)\n    if names_filter is not None:\n        cache = {name: tensor for name, tensor in cache.items() if names_filter(name)}\n",
        },
        "Everything is stored, and thrown out afterwards. During the run all of it was held in memory, which is what a filter is to avoid. Ask the filter before you store.",
    ),
    Edit(
        "keeps_the_graph",
        {"        cache[hook.name] = tensor.detach()\n": "        cache[hook.name] = tensor\n"},
        "The cached tensors still hang on the graph. As long as the cache lives, everything that autograd saved lives too. Store `tensor.detach()`: the same memory, without the graph.",
    ),
    Edit(
        "no_grad",
        {
            "def run_with_cache(model, tokens, names_filter=None):\n": "import torch\n\n\ndef run_with_cache(model, tokens, names_filter=None):\n",
            "        logits = model(tokens)\n": "        with torch.no_grad():\n            logits = model(tokens)\n",
        },
        "The run happens with autodiff off, so the logits have lost their graph. Observing must not change the run: detach what you store, and leave the run as it is.",
    ),
    Edit(
        "resets_hooks",
        {
            "        logits = model(tokens)\n": "        logits = model(tokens)\n    model.reset_hooks()\n"
        },
        "After your run the user's own hooks are gone. Take off only what you attached; the context `model.hooks(..)` does that for you.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
