"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit, slips

CHECK = """        if name not in model.hook_dict:
            raise KeyError(f"no hook point {name!r}; there are {list(model.hook_dict)}")
"""
ATTACH = """        for point, hook in points:
            handles.append((point, point.attach(hook, "fwd", False, False)))
"""
DETACH = """        for point, handle in handles:
            point.detach(handle)
"""

EDITS = [
    Edit(
        "left_on",
        {"    try:\n": "    if True:\n", "    finally:\n": "    if True:\n"},
        "Your hooks come off at the end of the block, but not when the block raises. Everything "
        "after `yield` is skipped then, unless it stands in a `finally`.",
    ),
    Edit(
        "not_after_an_interrupt",
        {
            "    finally:\n" + DETACH: "    except Exception:\n"
            + DETACH
            + "        raise\n    else:\n"
            + DETACH
        },
        "Your hooks come off after an Exception, and not after a KeyboardInterrupt, which is none. "
        "A `finally` runs whatever was raised.",
    ),
    Edit(
        "never_off",
        {DETACH: "        pass\n"},
        "The hooks are still on after the block, however it ended. Take each off with "
        "`point.detach(handle)`.",
    ),
    Edit(
        "swallows",
        {DETACH: DETACH + "        return\n"},
        "The exception of the block disappears. `return` in a `finally`, or a true value from "
        "`__exit__`, swallows it, and the caller believes that all went well. Let it go on.",
    ),
    Edit(
        "takes_all",
        {DETACH: "        model.reset_hooks(including_permanent=True)\n"},
        "You take off hooks that are not yours: permanent ones, and those that the user added. "
        "Remember what you attached (the handle), and take off only that.",
    ),
    Edit(
        "takes_temporary",
        {DETACH: "        model.reset_hooks()\n"},
        "Permanent hooks survive your block, but a hook that the user had added in the ordinary way "
        "is gone after it. Take off by handle, and not with `reset_hooks` or `remove_hooks`.",
    ),
    Edit(
        "takes_all_at_its_points",
        {DETACH: "        for point, _ in points:\n            point.remove_hooks()\n"},
        "At the points that you used, hooks of somebody else go as well. Take off by handle, and "
        "not with `remove_hooks`.",
    ),
    Edit(
        "clears_its_points",
        {DETACH: "        for point, _ in points:\n            point.fwd_hooks.clear()\n"},
        "At the points that you used, all hooks go, permanent ones as well. Take off only what you "
        "attached, by its handle.",
    ),
    Edit(
        "by_function",
        {
            DETACH: "        for point, hook in points:\n            point.fwd_hooks[:] = "
            "[a for a in point.fwd_hooks if a.user_hook is not hook]\n"
        },
        "You find your hook again by comparing functions. When the same function was attached "
        "before, that one goes as well. The handle from `attach` tells the two apart.",
    ),
    Edit(
        "newest_off",
        {
            DETACH: "        for point, _ in points:\n            if point.fwd_hooks:\n                point.fwd_hooks.pop()\n"
        },
        "The newest hook of each point comes off, whoever attached it. A hook that was added inside "
        "the block goes in the place of yours. Take off by handle.",
    ),
    Edit(
        "back_to_what_was",
        {
            "    handles = []\n": "    handles = []\n    before = [(p, list(p.fwd_hooks)) for p in model.hook_dict.values()]\n",
            DETACH: "        for point, hooks_ in before:\n            point.fwd_hooks[:] = hooks_\n",
        },
        "The points get back the hooks that they had before the block. So a hook that somebody else "
        "added or took off inside it is undone too. Take off exactly yours, by handle.",
    ),
    Edit(
        "back_to_what_was_at_its_points",
        {
            "    handles = []\n": "    handles = []\n    before = [(p, list(p.fwd_hooks)) for p, _ in points]\n",
            DETACH: "        for point, hooks_ in before:\n            point.fwd_hooks[:] = hooks_\n",
        },
        "The points that you used get back the hooks that they had before the block. So a hook that "
        "somebody else added or took off there inside it is undone too. Take off exactly yours.",
    ),
    Edit(
        "on_too_early",
        {
            "@contextmanager\ndef hooks(": """def hooks(model, fwd_hooks):
    inner = _hooks(model, fwd_hooks)
    inner.__enter__()

    class Entered:
        def __enter__(self):
            return model

        def __exit__(self, *error):
            return inner.__exit__(*error)

    return Entered()


@contextmanager
def _hooks("""
        },
        "The hooks are on before the block begins: `hooks(..)` attaches them, and not `with`. If "
        "the block never comes, nothing takes them off.",
    ),
    Edit(
        "one_list_for_all",
        {
            "@contextmanager\n": "_handles = []\n\n\n@contextmanager\n",
            "    handles = []\n": "    handles = _handles\n",
            DETACH: "        while handles:\n            point, handle = handles.pop()\n            point.detach(handle)\n",
        },
        "All blocks share one list of handles, so the end of an inner block takes off the hooks of "
        "the outer one as well. Each block needs a list of its own.",
    ),
    Edit(
        "first_only_off",
        {"in handles:\n": "in handles[:1]:\n"},
        "Only the first of your hooks comes off. Every handle has to be detached.",
    ),
    Edit(
        "last_only_off",
        {"in handles:\n": "in handles[-1:]:\n"},
        "Only the last of your hooks comes off. Keep a list of handles, and detach every one.",
    ),
    Edit(
        "half_added",
        {
            CHECK: "        if name not in model.hook_dict:\n            for p, h in points:\n"
            '                p.attach(h, "fwd", False, False)\n            raise KeyError(name)\n'
        },
        "The unknown name is found only when the hooks before it are on already, and nothing takes "
        "them off. Look all names up first; attach when nothing can go wrong any more.",
    ),
    Edit(
        "unknown_ignored",
        {CHECK: "        if name not in model.hook_dict:\n            continue\n"},
        "A name that the model does not have is passed over, and the caller's typing error with it. "
        "It has to raise a KeyError.",
    ),
    Edit(
        "unknown_value_error",
        {CHECK: "        if name not in model.hook_dict:\n            raise ValueError(name)\n"},
        "A name that the model does not have raises the wrong exception: a KeyError is asked for, "
        "or a subclass of it.",
    ),
    Edit(
        "by_name",
        {"in fwd_hooks:\n": "in dict(fwd_hooks).items():\n"},
        "Of two hooks on the same point only the last is attached: a dictionary by name has room "
        "for one. `fwd_hooks` is a list of pairs.",
    ),
    Edit(
        "yields_nothing",
        {"yield model": "yield"},
        "`with hooks(..) as given` gives something else than the model. Yield the model.",
    ),
    Edit(
        "permanent",
        {'"fwd", False, False': '"fwd", True, False'},
        "The hooks are attached as permanent: `model.reset_hooks()` inside the block leaves them on. "
        "Theirs is `attach(hook, 'fwd', False, False)`.",
    ),
    Edit(
        "in_front",
        {'"fwd", False, False': '"fwd", False, True'},
        "The hooks run before those that were there, or in the wrong order. The last argument of "
        "`attach` puts a hook in front; it is False here.",
    ),
    Edit(
        "swallows_what_is_an_exception",
        {"    finally:\n": "    except Exception:\n        pass\n    finally:\n"},
        "An Exception of the block disappears, and the caller believes that all went well. An `except` "
        "without `raise` swallows it. Let it go on: a `finally` alone takes the hooks off.",
    ),
]

EDITS += [
    Edit(
        "nothing_attached",
        {ATTACH: "        pass\n"},
        "Inside the block no hook runs: none is attached when it begins, or only for the backward "
        "pass. Here they are `attach(hook, 'fwd', False, False)`.",
    ),
    Edit(
        "last_hook_on_all_points",
        {
            "        points.append((model.hook_dict[name], hook))\n": "        points.append((model.hook_dict[name], fwd_hooks[-1][1]))\n"
        },
        "The last hook runs at every point. A function made in a loop sees the loop's variable as "
        "it is when it runs: the last one. Bind it, as in `lambda t, hook, f=f: ..`.",
    ),
    Edit(
        "first_pair_only",
        {"in fwd_hooks:\n": "in fwd_hooks[:1]:\n"},
        "Only the first of the hooks is attached. `fwd_hooks` is a list: attach each.",
    ),
    Edit(
        "last_pair_only",
        {"in fwd_hooks:\n": "in fwd_hooks[-1:]:\n"},
        "Only the last of the hooks is attached. `fwd_hooks` is a list: attach each.",
    ),
    Edit(
        "reads_the_list_again",
        {
            DETACH: "        for (name, _), (_, handle) in zip(fwd_hooks, handles):\n            model.hook_dict[name].detach(handle)\n"
        },
        "What comes off is read from the caller's list when the block ends. If that list has changed "
        "meanwhile, hooks stay on. Remember what you attached.",
    ),
    Edit(
        "handles_by_name",
        {
            DETACH: "        for point, handle in {id(point): (point, handle) for point, handle in handles}.values():\n            point.detach(handle)\n"
        },
        "Of two hooks on one point only the last comes off: the handles are kept by name, and there "
        "is room for one of each. Keep a list.",
    ),
    Edit(
        "first_handle_by_name",
        {
            DETACH: "        for point, handle in {id(point): (point, handle) for point, handle in reversed(handles)}.values():\n            point.detach(handle)\n"
        },
        "Of two hooks on one point only the first comes off. Keep a list of handles, and detach each.",
    ),
    Edit(
        "off_only_after_an_error",
        {"    finally:\n" + DETACH: "    except BaseException:\n" + DETACH + "        raise\n"},
        "Your hooks come off when the block raises, and stay on when it ends well.",
    ),
    Edit(
        "reset_first",
        {"    handles = []\n": "    model.reset_hooks()\n    handles = []\n"},
        "Hooks that were there are taken off when the block begins. Yours are to be attached beside "
        "them.",
    ),
    Edit(
        "wraps_the_exception",
        {
            "    finally:\n": "    except Exception as error:\n        raise RuntimeError('in the block') from error\n    finally:\n"
        },
        "An exception of the block comes out as another one. It goes on its way as it is.",
    ),
]
UNKNOWN = "{name for name, _ in fwd_hooks} - {*model.hook_dict}"
EDITS += slips(
    "    points = []\n",
    {UNKNOWN: "A name that the model does not have"},
    {
        f"raise {kind}(fwd_hooks)": f"raises {a} {kind}. A KeyError is asked for, or a subclass."
        for a, kind in (
            ("an", "AttributeError"),
            ("a", "RuntimeError"),
            ("a", "TypeError"),
            ("an", "AssertionError"),
            ("an", "IndexError"),
        )
    },
)

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "finally: -> except BaseException: / raise / else: / for point, handle in handles: / "
    "point.detach(handle)": "Every way out of the block is one of the two.",
    "if name not in model.hook_dict: / raise KeyError(f'no hook point {name!r}; there are "
    "{list(model.hook_dict)}') -> ": "The look-up after it raises a KeyError too.",
    "raise KeyError(f'no hook point {name!r}; there are {list(model.hook_dict)}') -> pass": "The "
    "look-up after it raises a KeyError too.",
}
