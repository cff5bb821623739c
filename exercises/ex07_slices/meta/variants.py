"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit, slips

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

START = "    key = [slice(None)] * tensor.ndim\n"
INT = "isinstance(what, int) and"
INTS = "isinstance(what, list) and not isinstance(what[0], bool)"
BOOLS = "isinstance(what, list) and isinstance(what[0], bool)"
PAIR = "isinstance(what, tuple) and"
FAILS = {
    f"raise {kind}(what)": f"fails, with {a} {kind}. It is one of the five ways to ask."
    for a, kind in (("a", "RuntimeError"), ("a", "TypeError"), ("an", "IndexError"),
                    ("a", "ValueError"), ("an", "AttributeError"), ("a", "NotImplementedError"))
}  # fmt: skip
REGIONS = {
    f"{INT} what == 0": "The int 0",
    f"{INT} what < 0": "An int that counts from the end",
    f"{INT} what > 0": "An int",
    f"{PAIR} None in what": "A pair with None in it",
    f"{PAIR} None not in what and min(what) < 0": "A pair with a number that counts from the end",
    f"{PAIR} None not in what and min(what) >= 0": "A pair of numbers",
    INTS: "A list of ints",
    BOOLS: "A list of bools",
    "what is None": "None, which means everything,",
}
EDITS += slips(START, REGIONS, FAILS)
EDITS += slips(START, dict(list(REGIONS.items())[:-1]), {"return tensor": "gives everything."})
EDITS += slips(
    START,
    {INTS: "A list of ints", BOOLS: "A list of bools"},
    {
        "return tensor.reshape(-1)[torch.tensor(what).long()]": "is taken from the flat tensor, "
        "whatever `dim` says.",
        "return tensor.movedim(dim, 0)[torch.tensor(what)]": "leaves its axis in front. It stays "
        "where it was.",
        "return tensor.masked_select(torch.tensor(what).bool().reshape([-1 if i == dim % tensor.ndim "
        "else 1 for i in range(tensor.ndim)]) if len(what) == tensor.shape[dim] else "
        "torch.tensor(True))": "gives a flat tensor: `masked_select` does. The axes stay.",
        "return take(tensor, dim, what[0])": "gives its first entry only, without the axis.",
    },
)
EDITS += slips(
    START,
    {
        BOOLS: "A list of bools",
        f"{BOOLS} and not what[0]": "A list of bools that begins with False",
    },
    {
        "what = [int(one) for one in what]": "is read as the ints 0 and 1. True is an int in Python: "
        "ask for bool first, and of any entry."
    },
)
EDITS += slips(
    START,
    {f"{INTS} and set(what) <= {{0, 1}}": "A list of the ints 0 and 1"},
    {
        "what = [bool(one) for one in what]": "is taken for bools. `1 in (0, 1)` and `1 == True` hold "
        "for both: ask for the type."
    },
)
EDITS += slips(
    START,
    {f"{INTS} and len(what) == tensor.shape[dim]": "A list of ints as long as the axis"},
    {"what = [bool(one) for one in what]": "is taken for bools. Ask what its entries are."},
)
EDITS += slips(
    START,
    {INTS: "A list of ints"},
    {
        "what = [i in what for i in range(tensor.shape[dim])]": "is turned into a mask: its order is "
        "lost, and an entry that is asked for twice comes once."
    },
)
EDITS += slips(
    START,
    {"dim < 0": "A `dim` that counts from the end"},
    {
        "dim = dim - 1": "is one too low: -1 is the last axis.",
        "dim = (dim + 1) % tensor.ndim": "is one too high: -1 is the last axis.",
        "dim = 0": "is taken for the first axis.",
        "dim = tensor.ndim - 1": "is taken for the last axis, whichever it is.",
        **{
            f"raise {kind}(dim)": f"fails, with {a} {kind}."
            for a, kind in (("a", "RuntimeError"), ("an", "IndexError"), ("a", "TypeError"))
        },
    },
)
EDITS += [
    Edit(
        "full_slices_before",
        {RESULT: "return tensor[(slice(None),) * max(dim, 0) + (key[dim],)]"},
        "`dim` whole axes are put in front of the key. For a `dim` from the end that is none, and "
        "the first axis is cut.",
    ),
    Edit(
        "tuple_as_two_indices",
        {SLICE: "key[dim] = torch.tensor([one for one in what])"},
        "A pair is taken for two indices, and None is no index. A tuple (start, stop) is a slice.",
    ),
    Edit(
        "start_moved",
        {
            SLICE: "n = tensor.shape[dim]\n        key[dim] = slice(*[w + n if w is not None and w < 0 else w for w in what])"
        },
        "A start or stop that lies before the axis wraps round when n is added to it. It is cut off, "
        "as in a slice of a list.",
    ),
    Edit(
        "narrow",
        {
            SLICE: "start, stop = what[0] or 0, tensor.shape[dim] if what[1] is None else what[1]\n"
            "        return tensor.narrow(dim, start, stop - start)"
        },
        "`narrow` takes a start and a length, and no numbers that count from the end or lie beyond the "
        "axis. `slice(*what)` knows them.",
    ),
    Edit(
        "range_of_the_pair",
        {
            SLICE: "key[dim] = torch.arange(what[0] or 0, tensor.shape[dim] if what[1] is None else what[1])"
        },
        "The numbers of a pair are counted up from start to stop as they are, so that those from the "
        "end go wrong. `slice(*what)` knows them.",
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
