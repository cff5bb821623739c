"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "asserts",
        {
            '        if tensor.shape[0] != 1:\n            raise ValueError(f"{name} has a batch of {tensor.shape[0]}, and not of 1")\n': "        assert tensor.shape[0] == 1, name\n"
        },
        "The guard is an `assert`. It raises an AssertionError, and under `python -O` it is gone and the cache is damaged. `assert` is for what no input can break; a caller's mistake needs `raise`.",
    ),
    Edit(
        "flag_first",
        {"        return\n": "        return\n    cache.has_batch_dim = False\n"},
        "After a refusal `has_batch_dim` is False, though the axis is still there. The flag is part of the state as well: set it last.",
    ),
    Edit(
        "half_changed",
        {
            "    for name, tensor in cache.cache_dict.items():\n": "    for name, tensor in list(cache.cache_dict.items()):\n",
            '            raise ValueError(f"{name} has a batch of {tensor.shape[0]}, and not of 1")\n    cache.cache_dict = {name: tensor[0] for name, tensor in cache.cache_dict.items()}\n': "            raise ValueError(name)\n        cache.cache_dict[name] = tensor[0]\n",
        },
        "When the third entry is refused, the first two have changed already. The cache is then neither one thing nor the other. Check every entry before you change any.",
    ),
    Edit(
        "prints",
        {
            '        logger.warning("there is no batch axis any more")\n': '        print("there is no batch axis any more")\n'
        },
        "The second call prints. Whoever uses your library cannot turn that off, or find it in a log. Use the logger `minicache`.",
    ),
    Edit(
        "raises_when_harmless",
        {
            '        logger.warning("there is no batch axis any more")\n        return\n': '        raise ValueError("there is no batch axis any more")\n'
        },
        "The second call raises. But nothing is wrong: the axis is gone, as was asked. A script that calls it twice should go on. Log a warning, and return.",
    ),
    Edit(
        "root_logger",
        {'logger = logging.getLogger("minicache")\n': "logger = logging.getLogger()\n"},
        "The warning goes to the root logger, which belongs to the application. A library has a logger of its own name, so that it can be filtered: `logging.getLogger('minicache')`.",
    ),
    Edit(
        "takes_the_first",
        {
            '        if tensor.shape[0] != 1:\n            raise ValueError(f"{name} has a batch of {tensor.shape[0]}, and not of 1")\n': "        pass\n"
        },
        "A batch of several is cut down to its first item, without a word. The others are lost, and nobody knows. Raise a ValueError that names the size.",
    ),
    Edit(
        "wrong_level",
        {
            '        logger.warning("there is no batch axis any more")\n': '        logger.info("there is no batch axis any more")\n'
        },
        "It is logged as `info`, which nobody sees unless they turn it on. Something that may confuse a user is a `warning`.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
