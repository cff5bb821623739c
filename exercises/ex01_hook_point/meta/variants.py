"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

CALL = "            result = hook(tensor, hook=self)\n"
KEEP = "            if result is not None:\n                tensor = result\n"

EDITS = [
    Edit(
        "return_ignored",
        {KEEP: ""},
        "The hooks run, and what they return is thrown away. A hook replaces the activation by "
        "returning a tensor: keep what it gives, and hand that on.",
    ),
    Edit(
        "none_replaces",
        {KEEP: "            tensor = result\n"},
        "A hook that returns None wipes the tensor out. Most hooks only look, and a Python function "
        "without `return` gives None. So None has to mean: leave it as it is.",
    ),
    Edit(
        "truth_value",
        {"if result is not None": "if result"},
        "It is asked whether the result is true, and not whether it is None. A tensor of several "
        "entries has no truth value, and a zero is false: write `is not None`.",
    ),
    Edit(
        "any_entry",
        {"if result is not None": "if result is not None and result.any()"},
        "A replacement of zeros is thrown away. Zero is a value like any other, and ablation uses it "
        "all the time: only None means that nothing is replaced.",
    ),
    Edit(
        "only_its_shape",
        {"if result is not None": "if result is not None and result.shape == tensor.shape"},
        "A replacement of another shape is thrown away. Whatever tensor a hook returns is what flows "
        "on.",
    ),
    Edit(
        "each_sees_the_first",
        {
            "        for hook in self.hooks:\n": "        first = tensor\n        for hook in self.hooks:\n",
            "hook(tensor, hook": "hook(first, hook",
        },
        "Every hook is given the original tensor, and only the last replacement survives. Hooks form "
        "a chain: the next one sees what the one before it returned.",
    ),
    Edit(
        "first_replacement_only",
        {KEEP: KEEP + "                break\n"},
        "After the first hook that replaces, no other runs. All hooks run, each on what the one "
        "before it gave.",
    ),
    Edit(
        "stops_at_none",
        {
            KEEP: "            if result is None:\n                break\n            tensor = result\n"
        },
        "After a hook that returns None, no other runs. None changes nothing: the next hook runs on "
        "the tensor as it was.",
    ),
    Edit(
        "newest_first",
        {"for hook in self.hooks": "for hook in reversed(self.hooks)"},
        "Your hooks run newest first. Hooks run in the order in which they were added, so that a "
        "reader of the code can tell what happens.",
    ),
    Edit(
        "only_one_hook",
        {"self.hooks.append(hook)": "self.hooks = [hook]"},
        "Only the hook that was added last is there. Each `add_hook` adds one to those before it.",
    ),
    Edit(
        "each_once",
        {"self.hooks.append(hook)": "self.hooks = [*dict.fromkeys([*self.hooks, hook])]"},
        "A hook that was added twice runs once. A set, or a dictionary by function, has room for one "
        "of each; a list keeps both.",
    ),
    Edit(
        "used_up",
        {"        return tensor\n": "        self.hooks = []\n        return tensor\n"},
        "The hooks run at the first call and are gone at the second. They stay until `remove_hooks`.",
    ),
    Edit(
        "used_up_one_by_one",
        {
            "        for hook in self.hooks:\n": "        while self.hooks:\n            hook = self.hooks.pop(0)\n"
        },
        "Each hook is taken off the list to run, so that it runs once. They stay until "
        "`remove_hooks`.",
    ),
    Edit(
        "newest_popped",
        {"self.hooks.clear()": "self.hooks.pop()"},
        "`remove_hooks` takes only the newest hook off, and fails where there is none. All of them "
        "go.",
    ),
    Edit(
        "hooks_cut_the_graph",
        {"hook(tensor, hook=self)": "hook(tensor.detach(), hook=self)"},
        "No gradient flows through what a hook returns: the hook is given a detached tensor, or runs "
        "under `no_grad`. Give it the tensor itself, with autodiff as the caller has it.",
    ),
    Edit(
        "shared_list",
        {
            "class HookPoint(nn.Module):\n": "class HookPoint(nn.Module):\n    hooks = []\n\n",
            "        self.hooks = []\n": "        pass\n",
        },
        "All hook points share one list of hooks. A list written in the class body, or as a default "
        "argument, exists once; make it in `__init__`, so that each point has its own.",
    ),
    Edit(
        "newest_removed",
        {"self.hooks.clear()": "self.hooks = self.hooks[:-1]"},
        "`remove_hooks` takes only the newest hook off. All of them go.",
    ),
    Edit(
        "oldest_removed",
        {"self.hooks.clear()": "self.hooks = self.hooks[1:]"},
        "`remove_hooks` takes only the oldest hook off. All of them go.",
    ),
    Edit(
        "never_removed",
        {"self.hooks.clear()": "pass"},
        "A removed hook still runs. `remove_hooks` has to empty what `forward` reads, and not a copy "
        "of it or another list.",
    ),
    Edit(
        "removed_for_good",
        {
            "self.hooks.append(hook)": "self.hooks is None or self.hooks.append(hook)",
            "self.hooks.clear()": "self.hooks = None",
            "in self.hooks:": "in self.hooks or []:",
        },
        "After `remove_hooks` no hook can be added any more. An empty list takes new ones.",
    ),
    Edit(
        "positional",
        {"hook(tensor, hook=self)": "hook(tensor, self)"},
        "The hook point is passed by position. The task says `hook(tensor, hook=point)`: a hook may "
        "take it by keyword only.",
    ),
    Edit(
        "told_its_function",
        {"hook=self)": "hook=hook)"},
        "The hook is told something else than its hook point. `hook=self`: a hook asks it for its "
        "name.",
    ),
    Edit(
        "detached",
        {"        return tensor\n": "        return tensor.detach()\n"},
        "The graph ends at the hook point: no gradient flows back through it. Hand the tensor itself "
        "on, without `detach` and outside of `no_grad`.",
    ),
    Edit(
        "swallows",
        {
            CALL: "            try:\n                result = hook(tensor, hook=self)\n            except Exception:\n                result = None\n"
        },
        "A hook that raises goes unnoticed. Its exception has to reach whoever ran the model.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
