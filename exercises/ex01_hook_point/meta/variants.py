"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "each_sees_the_first",
        {
            "    def forward(self, tensor: Tensor) -> Tensor:\n": "    def forward(self, tensor: Tensor) -> Tensor:\n        out = tensor\n",
            "                tensor = result\n        return tensor\n": "                out = result\n        return out\n",
        },
        "Every hook is given the original tensor, and only the last replacement survives. Hooks form a chain: the next one sees what the one before it returned.",
    ),
    Edit(
        "newest_first",
        {"        for hook in self.hooks:\n": "        for hook in reversed(self.hooks):\n"},
        "Your hooks run newest first. Hooks run in the order in which they were added, so that a reader of the code can tell what happens.",
    ),
    Edit(
        "none_replaces",
        {
            "            result = hook(tensor, hook=self)\n            if result is not None:\n                tensor = result\n": "            tensor = hook(tensor, hook=self)\n"
        },
        "A hook that returns None wipes the tensor out. Most hooks only look, and a Python function without `return` gives None. So None has to mean: leave it as it is.",
    ),
    Edit(
        "return_ignored",
        {
            "            result = hook(tensor, hook=self)\n            if result is not None:\n                tensor = result\n": "            hook(tensor, hook=self)\n"
        },
        "The hooks run, and what they return is thrown away. A hook replaces the activation by returning a tensor: keep what it gives, and hand that on.",
    ),
    Edit(
        "shared_list",
        {
            "class HookPoint(nn.Module):\n": "class HookPoint(nn.Module):\n    hooks = []\n\n",
            "        self.hooks = []\n": "        pass\n",
        },
        "All hook points share one list of hooks. A list written in the class body exists once, for the class; make it in `__init__`, so that each point has its own.",
    ),
    Edit(
        "still_runs",
        {"        self.hooks.clear()\n": "        self.hooks = self.hooks[:-1]\n"},
        "A removed hook still runs. `remove_hooks` has to empty what `forward` reads, and not a copy or only its last entry.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
