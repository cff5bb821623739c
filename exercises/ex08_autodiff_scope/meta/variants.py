"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "always_true",
        {"        torch.set_grad_enabled(before)\n": "        torch.set_grad_enabled(True)\n"},
        "After the block autodiff is on, though it was off before. Someone around you may have turned it off: remember what was, and give back that.",
    ),
    Edit(
        "inference",
        {
            "    before = torch.is_grad_enabled()\n    torch.set_grad_enabled(mode)\n    try:\n": "    with torch.inference_mode(not mode), torch.set_grad_enabled(mode):\n",
            "    finally:\n        torch.set_grad_enabled(before)\n": "",
        },
        "Tensors made inside can never meet autodiff again: that is `inference_mode`. What is cached under it cannot be saved for backward. `no_grad` costs a little more and leaves ordinary tensors.",
    ),
    Edit(
        "not_after_exceptions",
        {
            "    try:\n        yield\n    finally:\n        torch.set_grad_enabled(before)\n": "    yield\n    torch.set_grad_enabled(before)\n"
        },
        "After an exception the mode stays changed. The line that gives it back stands after `yield`, and an exception skips it. Put it in a `finally`.",
    ),
    Edit(
        "only_off",
        {"    torch.set_grad_enabled(mode)\n": "    torch.set_grad_enabled(False)\n"},
        "Autodiff is turned off whatever `mode` says. `autodiff(True)` inside a `no_grad` has to turn it on: hand `mode` on.",
    ),
    Edit(
        "opposite",
        {"        torch.set_grad_enabled(before)\n": "        torch.set_grad_enabled(not mode)\n"},
        "After the block the mode is the opposite of what was asked for inside. That is right only by luck. Ask what the mode is before you change it.",
    ),
    Edit(
        "swallows",
        {
            "        torch.set_grad_enabled(before)\n": "        torch.set_grad_enabled(before)\n        return\n"
        },
        "The exception disappears in your `finally` or `__exit__`. The caller then works on with a result that was never made. Do not `return` from a `finally`.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
