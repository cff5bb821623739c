"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "always_axis_1",
        {
            "        key[dim] = slice(*what)\n": "        key[1] = slice(*what)\n",
            "        key[dim] = torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what\n": "        key[1] = torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what\n",
        },
        "The slice always lands on the same axis, whatever `dim` says. Put your key in place `dim` of a list of `slice(None)`, one for each axis.",
    ),
    Edit(
        "end_inclusive",
        {
            "        key[dim] = slice(*what)\n": "        key[dim] = slice(what[0], None if what[1] is None else what[1] + 1)\n"
        },
        "The end of a slice is taken along. In Python a stop is not part of it: (1, 3) is 1 and 2, so that stop - start is the length.",
    ),
    Edit(
        "int_keeps",
        {
            "        key[dim] = slice(*what)\n": "        key[dim] = slice(*what)\n    elif isinstance(what, int):\n        key[dim] = [what]\n"
        },
        "An int keeps its axis, with size 1. An int names one entry, so the axis has nothing left to number and goes away; a list of one keeps it.",
    ),
    Edit(
        "list_drops",
        {
            "    return tensor[tuple(key)]\n": "    taken = tensor[tuple(key)]\n    return taken.squeeze(dim) if isinstance(what, list) and len(what) == 1 else taken\n"
        },
        "A list of one loses its axis. Whoever gives a list counts on the axis, whatever its length; only an int drops it. `squeeze` is usually to blame.",
    ),
    Edit(
        "mask_as_ints",
        {
            "        key[dim] = torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what\n": "        key[dim] = (\n            torch.as_tensor(what, device=tensor.device).long() if isinstance(what, list) else what\n        )\n"
        },
        "A mask is read as the indices 1 and 0. True and False are ints in Python, so check for bools before you check for ints, and keep the tensor's dtype bool.",
    ),
    Edit(
        "sorted",
        {
            "    key = [slice(None)] * tensor.ndim\n": "    key = [slice(None)] * tensor.ndim\n    if isinstance(what, list) and not isinstance(what[0], bool):\n        what = sorted(set(what))\n"
        },
        "The entries of a list come in the order of the tensor. A list says which entries and in which order, and may name one twice.",
    ),
    Edit(
        "tuple_as_indices",
        {
            "        key[dim] = slice(*what)\n": "        key[dim] = list(i for i in what if i is not None)\n"
        },
        "A tuple is read as a list of indices. (1, 3) means from 1 up to 3, as the arguments of `slice` do.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
