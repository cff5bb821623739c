"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

SLICE = "key[dim] = slice(*what)"
LIST = "torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what"
ENTRY = f"key[dim] = {LIST}"
RESULT = "return tensor[tuple(key)]"

EDITS = [
    Edit(
        "always_axis_1",
        {
            SLICE: SLICE.replace("dim", "min(1, tensor.ndim - 1)"),
            ENTRY: ENTRY.replace("[dim]", "[min(1, tensor.ndim - 1)]", 1),
        },
        "It is always the second axis that is cut. `dim` says which, and may count from the end.",
    ),
    Edit(
        "always_axis_0",
        {SLICE: SLICE.replace("dim", "0"), ENTRY: ENTRY.replace("[dim]", "[0]", 1)},
        "It is always the first axis that is cut. `dim` says which, and may count from the end.",
    ),
    Edit(
        "sign_of_dim_lost",
        {
            SLICE: SLICE.replace("dim", "abs(dim) % tensor.ndim"),
            ENTRY: ENTRY.replace("[dim]", "[abs(dim) % tensor.ndim]", 1),
        },
        "A negative `dim` is taken for a positive one. It counts from the end: -1 is the last axis.",
    ),
    Edit(
        "end_inclusive",
        {SLICE: "key[dim] = slice(what[0], what[1] + 1 if what[1] not in (None, -1) else None)"},
        "The stop of a pair is included. In Python it is not: (1, 3) is entries 1 and 2.",
    ),
    Edit(
        "start_excluded",
        {SLICE: "key[dim] = slice((what[0] or 0) + 1, what[1])"},
        "The start of a pair is left out. It is included, and the stop is not.",
    ),
    Edit(
        "start_ignored",
        {SLICE: "key[dim] = slice(what[1])"},
        "The start of a pair is ignored.",
    ),
    Edit(
        "stop_ignored",
        {SLICE: "key[dim] = slice(what[0], None)"},
        "The stop of a pair is ignored.",
    ),
    Edit(
        "start_and_length",
        {SLICE: "key[dim] = slice(what[0], None if what[1] is None else (what[0] or 0) + what[1])"},
        "The second number of a pair is taken for a length. It is where to stop.",
    ),
    Edit(
        "tuple_as_indices",
        {SLICE: "key[dim] = torch.tensor([i for i in what if i is not None] or [0])"},
        "A pair is taken for two indices. A tuple (start, stop) is a slice; a list picks entries.",
    ),
    Edit(
        "int_keeps",
        {LIST: "torch.as_tensor([what] if isinstance(what, int) else what)"},
        "An int keeps the axis, with one entry. It picks that entry, and the axis goes away.",
    ),
    Edit(
        "sign_of_the_int_lost",
        {LIST: LIST.replace("else what", "else abs(what) % tensor.shape[dim]")},
        "The sign of an int is lost. -1 is the last entry.",
    ),
    Edit(
        "list_of_one_drops",
        {
            LIST: "torch.as_tensor(what) if isinstance(what, list) and len(what) > 1 else what if isinstance(what, int) else what[0] if what[0] is not True else slice(None)"
        },
        "A list of one loses the axis. The axis stays for every list, so that code which asks for n "
        "entries gets n, even if n is 1.",
    ),
    Edit(
        "squeezes",
        {RESULT: RESULT + ".squeeze()"},
        "Axes of size 1 are lost: `squeeze()` takes them all away. Only an int takes its axis away, "
        "and no other.",
    ),
    Edit(
        "squeezes_the_axis",
        {
            RESULT: "result = tensor[tuple(key)]\n    return result.squeeze(dim) if result.ndim == tensor.ndim else result"
        },
        "The axis that was asked for is lost wherever one entry is left of it. Only an int takes it "
        "away.",
    ),
    Edit(
        "mask_as_ints",
        {LIST: LIST.replace("what, device", "what, dtype=torch.long, device")},
        "A list of bools is read as the ints 0 and 1. True is an int in Python; ask for bool first, "
        "or make a tensor and look at its dtype.",
    ),
    Edit(
        "mask_inverted",
        {
            LIST: "torch.tensor([not w if isinstance(w, bool) else w for w in what]) if isinstance(what, list) else what"
        },
        "The mask is the wrong way round: True marks what is taken.",
    ),
    Edit(
        "sorted",
        {
            LIST: LIST.replace(
                "as_tensor(what",
                "as_tensor(what if what[0] in (True, False) and isinstance(what[0], bool) else sorted(what)",
            )
        },
        "A list of ints comes back in ascending order. Its entries are asked for in the order given.",
    ),
    Edit(
        "each_once",
        {
            LIST: LIST.replace(
                "as_tensor(what",
                "as_tensor(what if isinstance(what[0], bool) else list(dict.fromkeys(what))",
            )
        },
        "An entry that is asked for twice comes once. A list gives the entries as they stand in it.",
    ),
    Edit(
        "range_of_the_list",
        {
            LIST: "slice(min(what), max(what) + 1) if isinstance(what, list) and not isinstance(what[0], bool) else torch.tensor(what) if isinstance(what, list) else what"
        },
        "A list of ints gives all entries between its least and its largest. It picks the entries "
        "that stand in it.",
    ),
    Edit(
        "none_adds_an_axis",
        {"elif what is not None": "else"},
        "None adds an axis, as it does inside square brackets. Here it means everything.",
    ),
    Edit(
        "none_gives_none",
        {"    key = [": "    if what is None:\n        return None\n    key = ["},
        "None gives None back. It means everything.",
    ),
    Edit(
        "floats",
        {RESULT: RESULT + ".float()"},
        "Everything comes back as float32. A tensor of whole numbers, or of bools, stays one.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "key[dim] = torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what -> "
    "key[dim] = torch.as_tensor(what, device=tensor.device)": "A tensor of no axes picks as an int.",
    "key[dim] = torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what -> "
    "key[dim] = what": "Inside a key torch takes a list for a tensor of indices, or for a mask.",
    "key[dim] = torch.as_tensor(what, device=tensor.device) if isinstance(what, list) else what -> "
    "key[dim] = torch.as_tensor(what) if isinstance(what, list) else what": "torch takes indices on "
    "the CPU for a tensor anywhere.",
    "return tensor[tuple(key)] -> return tensor[key]": "torch reads a list that holds slices as a "
    "tuple of them.",
}
