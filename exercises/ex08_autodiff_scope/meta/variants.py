"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit, slip, slips

BACK = "        torch.set_grad_enabled(before)"
SET = "    torch.set_grad_enabled(mode)\n"
LAST = "    finally:\n" + BACK

EDITS = [
    Edit(
        "always_true",
        {BACK: BACK.replace("before", "True")},
        "After the block autodiff is on where it was off before. What `torch.is_grad_enabled()` says "
        "when this block begins is what it has to give back.",
    ),
    Edit(
        "always_false",
        {BACK: BACK.replace("before", "False")},
        "After the block autodiff is off where it was on before. What `torch.is_grad_enabled()` says "
        "when this block begins is what it has to give back.",
    ),
    Edit(
        "the_opposite_after",
        {BACK: BACK.replace("before", "not mode")},
        "After the block autodiff is the opposite of what it was inside, and not what it was before. "
        "Ask `torch.is_grad_enabled()` first, and give that back.",
    ),
    Edit(
        "never_back",
        {LAST: "    finally:\n        pass"},
        "The mode stays as the block set it. Ask `torch.is_grad_enabled()` before you change it, and "
        "give that back in a `finally`.",
    ),
    Edit(
        "not_after_exceptions",
        {"    try:\n": "    if True:\n", LAST: "    if True:\n" + BACK},
        "After an exception in the block the mode is not given back. What stands after `yield` runs "
        "only if it is in a `finally`.",
    ),
    Edit(
        "not_after_an_interrupt",
        {LAST: "    except Exception:\n" + BACK + "\n        raise\n    else:\n" + BACK},
        "After a KeyboardInterrupt the mode is not given back: that is no Exception. A `finally` "
        "runs whatever was raised.",
    ),
    Edit(
        "swallows",
        {LAST: LAST + "\n        return"},
        "The exception of the block disappears: a `return` in the `finally`, or a true value from "
        "`__exit__`. Let it go on.",
    ),
    Edit(
        "swallows_exceptions",
        {LAST: "    except Exception:\n        pass\n" + LAST},
        "Exceptions of the block disappear. An `except` without `raise` swallows them; `try` and "
        "`finally` alone let them go on.",
    ),
    Edit(
        "only_off",
        {SET: SET.replace("mode", "False")},
        "Autodiff is off in the block, whatever `mode` says.",
    ),
    Edit(
        "only_on",
        {SET: SET.replace("mode", "True")},
        "Autodiff is on in the block, whatever `mode` says.",
    ),
    Edit(
        "opposite",
        {SET: SET.replace("mode", "not mode")},
        "The mode is the wrong way round: True turns autodiff on.",
    ),
    Edit(
        "cannot_turn_on",
        {SET: "    if not mode:\n        torch.set_grad_enabled(False)\n"},
        "`autodiff(True)` does nothing inside somebody's `no_grad`. It turns autodiff on there.",
    ),
    Edit(
        "cannot_turn_off",
        {SET: "    if mode:\n        torch.set_grad_enabled(True)\n"},
        "`autodiff(False)` leaves autodiff on. It turns it off.",
    ),
    Edit(
        "nothing",
        {SET: ""},
        "The mode inside the block is what it was before. Set it to what was asked for.",
    ),
    Edit(
        "inference",
        {
            SET
            + "    try:\n        yield\n": "    try:\n        with torch.set_grad_enabled(True) if mode else torch.inference_mode():\n            yield\n"
        },
        "Tensors made in the block are inference tensors: they cannot be saved for a backward pass. "
        "That is what `torch.inference_mode` buys its speed with. Use the grad mode.",
    ),
    Edit(
        "one_memory",
        {
            "    before = torch.is_grad_enabled()\n": "    global _before\n    _before = torch.is_grad_enabled()\n",
            BACK: BACK.replace("before", "_before"),
        },
        "All scopes share one memory of what was before, so the inner scope overwrites the outer "
        "one's. Keep it in the function or on the object.",
    ),
]

ENDS = {
    "kind is None": "after a block that ends well",
    "kind is not None and issubclass(kind, Exception)": "after an exception in the block",
    "kind is not None and not issubclass(kind, Exception)": "after a KeyboardInterrupt in the block",
}
MODES = {
    "before and not mode": "Autodiff was on, and is not given back",
    "not before and mode": "Autodiff was off, and is not given back",
    "before and mode": "Autodiff was on, was on in the block, and is off",
    "not before and not mode": "Autodiff was off, was off in the block, and is on",
}
KIND = "(kind := __import__('sys').exc_info()[0], True)[1]"
AFTER = "Ask `torch.is_grad_enabled()` before you change it, and give that back in a `finally`."
EDITS += [
    slip(
        f"{i}.{j}",
        {
            LAST: LAST
            + f"\n        if {KIND} and {end} and {mode}:\n            torch.set_grad_enabled(not before)"
        },
        f"{what} {when}. {AFTER}",
    )
    for i, (mode, what) in enumerate(MODES.items())
    for j, (end, when) in enumerate(ENDS.items())
]
EDITS += [
    Edit(
        "outermost_only",
        {
            "@contextmanager\n": "_depth = []\n\n\n@contextmanager\n",
            "    try:\n": "    _depth.append(before)\n    try:\n",
            BACK: "        first = _depth.pop() if len(_depth) == 1 else _depth.pop() and None\n        if not _depth:\n            torch.set_grad_enabled(first)",
        },
        "Only the outermost scope gives back what it found. Inside it the mode of an inner scope "
        "stays on after its end.",
    ),
    Edit(
        "only_if_it_is_still_ours",
        {
            BACK: "        if torch.is_grad_enabled() == mode:\n            torch.set_grad_enabled(before)"
        },
        "The mode is given back only where it is still the block's. If somebody switched inside, "
        "what was before is lost.",
    ),
    Edit(
        "asks_too_late",
        {
            "    before = torch.is_grad_enabled()\n" + SET: SET
            + "    before = torch.is_grad_enabled()\n"
        },
        "The mode is asked for when it has been changed already, so that the block's own is given "
        "back. Ask `torch.is_grad_enabled()` first.",
    ),
    Edit(
        "another_exception",
        {
            LAST: "    except Exception as error:\n        raise RuntimeError(mode) from error\n"
            + LAST
        },
        "An exception of the block comes out as another one. It goes on its way as it is.",
    ),
    Edit(
        "any_exception_is_another",
        {
            LAST: "    except BaseException as error:\n        raise RuntimeError(mode) from error\n"
            + LAST
        },
        "Whatever is raised in the block comes out as another exception. It goes on its way as it is.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "finally: -> except BaseException: / raise / else: / torch.set_grad_enabled(before)": "Every "
    "way out of the block is one of the two.",
}
