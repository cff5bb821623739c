"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit, slip, slips

GUARD = """        if tensor.shape[0] != 1:
            raise ValueError(f"{name} has a batch of {tensor.shape[0]}, and not of 1")
"""
LOOP = "    for name, tensor in cache.cache_dict.items():\n"
WORK = "    cache.cache_dict = {name: tensor[0] for name, tensor in cache.cache_dict.items()}\n"
LOG = '        logger.warning("there is no batch axis any more")\n'

EDITS = [
    Edit(
        "asserts",
        {GUARD: "        assert tensor.shape[0] == 1, name\n"},
        "The caller's mistake is caught by `assert`. That raises an AssertionError, and under "
        "`python -O` nothing at all. Write `if ..: raise ValueError(..)`.",
    ),
    Edit(
        "debug_only",
        {"if tensor.shape[0] != 1": "if __debug__ and tensor.shape[0] != 1"},
        "The guard is there, and gone under `python -O`: an `assert` or `__debug__` stands in it. "
        "What a caller can do wrong is checked by a plain `if`.",
    ),
    Edit(
        "half_changed",
        {
            GUARD: GUARD + "        cache.cache_dict = {**cache.cache_dict, name: tensor[0]}\n",
            WORK: "",
        },
        "The entries before the wrong one are changed already when the exception comes. Two loops: "
        "the first only looks, the second changes and cannot fail.",
    ),
    Edit(
        "flag_first",
        {LOOP: "    cache.has_batch_dim = False\n" + LOOP, "    cache.has_batch_dim = False\n": ""},
        "After a refusal `has_batch_dim` says False, and the batch is still there. Set the flag when "
        "all is done.",
    ),
    Edit(
        "takes_the_first",
        {GUARD: "        pass\n"},
        "A batch of two is cut to its first item, silently. Whoever lost the second will look for it "
        "for a long time: raise a ValueError.",
    ),
    Edit(
        "debug_only_squeeze",
        {
            "if tensor.shape[0] != 1": "if __debug__ and tensor.shape[0] != 1",
            "tensor[0] for": "tensor.squeeze(0) for",
        },
        "The guard is there, and gone under `python -O`: an `assert` or `__debug__` stands in it. "
        "What a caller can do wrong is checked by a plain `if`. (`squeeze(0)` then leaves a larger "
        "batch, silently.)",
    ),
    Edit(
        "an_empty_batch",
        {"shape[0] != 1": "shape[0] > 1"},
        "A batch of 0 gets through: what is not 1 is refused, and that is not only what is larger.",
    ),
    Edit(
        "first_only",
        {LOOP: "    for name, tensor in list(cache.cache_dict.items())[:1]:\n"},
        "Only the first entry is looked at. Any tensor may have another batch.",
    ),
    Edit(
        "last_only",
        {LOOP: "    for name, tensor in list(cache.cache_dict.items())[-1:]:\n"},
        "Only the last entry is looked at. Any tensor may have another batch.",
    ),
    Edit(
        "skips",
        {GUARD: "        pass\n", "tensor[0] for": "tensor[0] if len(tensor) == 1 else tensor for"},
        "Entries with another batch are passed over, and the rest is changed: `squeeze(0)` alone does "
        "that. One that does not fit is the caller's mistake: raise a ValueError, and change nothing.",
    ),
    Edit(
        "wrong_class",
        {"raise ValueError": "raise RuntimeError"},
        "The wrong exception is raised. A ValueError says that what came has the wrong value; a "
        "subclass is as good.",
    ),
    Edit(
        "squeezes_all",
        {"tensor[0] for": "tensor.squeeze() for"},
        "Every axis of size 1 goes, and not the batch alone. `squeeze(0)`, or `tensor[0]`, takes the "
        "first only.",
    ),
    Edit(
        "flag_forgotten",
        {"    cache.has_batch_dim = False\n": ""},
        "`has_batch_dim` still says True when the axis is gone.",
    ),
    Edit(
        "returns_the_cache",
        {
            "    cache.has_batch_dim = False\n": "    cache.has_batch_dim = False\n    return cache\n"
        },
        "Something is returned. A function that changes what it is given returns None, so that "
        "nobody takes the result for a new one.",
    ),
    Edit(
        "silent",
        {LOG: ""},
        "When the axis is gone already, no warning is logged. To print it, `warnings.warn`, or a "
        "lower level are other things: `logger.warning(..)` on the logger `minicache`.",
    ),
    Edit(
        "root_logger",
        {'getLogger("minicache")': "getLogger()"},
        "The warning goes to the root logger, which belongs to the application. "
        '`logging.getLogger("minicache")` is ours; `logging.warning(..)` is not.',
    ),
    Edit(
        "logger_of_the_file",
        {'getLogger("minicache")': "getLogger(__name__)"},
        "The warning goes to a logger of another name. It is asked for on `minicache`.",
    ),
    Edit(
        "error",
        {"logger.warning": "logger.error"},
        "It is logged as an error. Nothing has gone wrong: use `logger.warning`.",
    ),
    Edit(
        "logs_twice",
        {LOG: LOG + LOG},
        "The warning is logged more than once. One is asked for.",
    ),
    Edit(
        "once_for_all",
        {
            LOG: '        if not hasattr(logger, "told"):\n            logger.told = logger.warning("no batch axis")\n'
        },
        "Only the first such call of the process is logged. Each one is: it may be another caller.",
    ),
    Edit(
        "always_logs",
        {LOOP: '    logger.warning("the batch axis goes")\n' + LOOP},
        "A warning is logged when all is well too. Then nobody reads warnings any more.",
    ),
    Edit(
        "raises_when_harmless",
        {LOG: '        raise ValueError("there is no batch axis any more")\n'},
        "A second call raises. Nothing is wrong then: the axis is gone, as was wanted. Log a warning "
        "and change nothing.",
    ),
    Edit(
        "goes_on_when_harmless",
        {LOG + "        return\n": LOG},
        "After the warning the work is done all the same, and another axis is taken for the batch. "
        "Change nothing: return.",
    ),
    Edit(
        "guard_before_the_flag",
        {
            "    if not cache.has_batch_dim:\n": LOOP + GUARD + "    if not cache.has_batch_dim:\n",
        },
        "The sizes are checked before `has_batch_dim` is asked, so a cache without a batch axis is "
        "refused by the size of another axis.",
    ),
]

SQUEEZE = "tensor.squeeze(0) for"
BAD = "cache.has_batch_dim and any(t.shape[0] != 1 for t in cache.cache_dict.values())"
FLAG = "    if not cache.has_batch_dim:\n"
EDITS += slips(
    FLAG,
    {BAD: "A batch that is not 1"},
    {
        "return": "is passed over, and nothing is raised. It is the caller's mistake: a ValueError.",
        **{
            f"raise {kind}('refused')": f"raises {a} {kind}. A ValueError is asked for, or a subclass."
            for a, kind in (("a", "TypeError"), ("an", "IndexError"), ("a", "KeyError"))
        },
    },
)
EDITS += [
    Edit(
        "an_empty_batch_stays",
        {"shape[0] != 1": "shape[0] > 1", "tensor[0] for": SQUEEZE},
        "A batch of 0 gets through: what is not 1 is refused, and that is not only what is larger.",
    ),
    Edit(
        "last_axis",
        {
            "if tensor.shape[0] != 1": "if tensor.shape[-1] != 1",
            "tensor[0] for": "tensor[..., 0] for",
        },
        "It is the last axis whose size is looked at. The batch is the first.",
    ),
    Edit(
        "drops_the_last_axis",
        {"tensor[0] for": "tensor[..., 0] for"},
        "It is the last axis that is dropped. The batch is the first.",
    ),
    Edit(
        "keeps_the_axis",
        {"tensor[0] for": "tensor[:1] for"},
        "The entries still have their batch axis. It goes away: put `tensor[0]`, or `squeeze(0)`, into "
        "the cache.",
    ),
    Edit(
        "mean",
        {"tensor[0] for": "tensor.mean(0) for"},
        "The batch is averaged. Whole numbers and bools have no mean: take the only item, or "
        "`squeeze(0)`.",
    ),
    Edit(
        "float_mean",
        {"tensor[0] for": "tensor.float().mean(0) for"},
        "The batch is averaged, so that every entry comes back as floats. Take the only item.",
    ),
    Edit(
        "sum",
        {"tensor[0] for": "tensor.sum(0) for"},
        "The batch is summed, so that a bool comes back as a number. Take the only item.",
    ),
    Edit(
        "a_warning_each",
        {
            LOG: LOG.replace(
                "        logger", "        for _ in cache.cache_dict:\n            logger"
            )
        },
        "A warning is logged for each entry. One is asked for, whatever the cache holds.",
    ),
    Edit(
        "undone_with_other_tensors",
        {
            LOOP + GUARD: "    if any(t.shape[0] != 1 for t in cache.cache_dict.values()):\n"
            "        for name, tensor in cache.cache_dict.items():\n"
            "            cache.cache_dict[name] = tensor if len(tensor) == 1 else tensor[None]\n        raise ValueError('refused')\n"
        },
        "After a refusal the entries are other tensors: they were changed, and put back. Look "
        "before you change anything.",
    ),
    Edit(
        "by_shapes",
        {
            FLAG: "    if cache.cache_dict and all(t.shape[0] != 1 for t in cache.cache_dict.values()):\n"
        },
        "Whether the axis is gone is guessed from the shapes. `has_batch_dim` says it.",
    ),
    slip(
        "an_empty_cache_refused",
        {LOOP: "    if not cache.cache_dict:\n        raise ValueError('refused')\n" + LOOP},
        "A cache without entries is refused. There is no entry of another batch in it.",
    ),
    slip(
        "an_empty_cache_passed_over",
        {LOOP: "    if not cache.cache_dict:\n        return\n" + LOOP},
        "A cache without entries keeps `has_batch_dim`. It says False when the work is done, "
        "however little there was.",
    ),
    Edit(
        "says_it_in_the_flag",
        {"    cache.has_batch_dim = False\n": "    cache.has_batch_dim = None\n"},
        "`has_batch_dim` is not False afterwards. It is to be False.",
    ),
]
EDITS += slips(
    FLAG,
    {"not cache.has_batch_dim": "A second call"},
    {
        f"raise {kind}('refused')": f"raises {a} {kind}. Nothing is wrong then: log a warning and change "
        "nothing."
        for a, kind in (("a", "RuntimeError"), ("an", "IndexError"), ("an", "AssertionError"))
    },
)

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
