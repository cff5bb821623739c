"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit, slips

RANGE = """            if not -self.n_layers <= layer < self.n_layers:
                raise IndexError(f"layer {layer}: the model has {self.n_layers}")
"""
PAIR = """            if not isinstance(name, str) or not isinstance(layer, int) or isinstance(layer, bool):
                raise TypeError(f"{address!r}: give (name, layer)")
"""
TRY = """        try:
            self[address]
        except (KeyError, IndexError, TypeError):
            return False
        return True
"""

EDITS = [
    Edit(
        "wraps",
        {RANGE: ""},
        "A layer out of range finds another layer: `%` wraps round. Check the range first. A list of "
        "n entries takes indices from -n to n - 1.",
    ),
    Edit(
        "wraps_below",
        {"if not -self.n_layers <= layer < self.n_layers": "if layer >= self.n_layers"},
        "A layer below -n finds another layer. A list of n entries takes indices from -n to n - 1, "
        "and -n - 1 is an IndexError.",
    ),
    Edit(
        "below_the_first_not_found",
        {
            RANGE: "            layer = layer + self.n_layers if layer < 0 else layer\n            if layer >= self.n_layers:\n                raise IndexError(layer)\n",
            "{layer % self.n_layers}": "{layer}",
        },
        "A layer below -n raises a KeyError: it is still negative when it goes into the name. It is "
        "an IndexError: check both ends of the range.",
    ),
    Edit(
        "counts_layers",
        {"return len(self.cache_dict)": "return self.n_layers"},
        "`len(cache)` gives the number of layers. It counts the entries.",
    ),
    Edit(
        "one_too_many",
        {"<= layer < self.n_layers": "<= layer <= self.n_layers"},
        "Layer n is let through in a model of n layers. The last is n - 1.",
    ),
    Edit(
        "first_refused",
        {"-self.n_layers <= layer": "-self.n_layers < layer"},
        "Layer -n is refused in a model of n layers. It is the first, as in a list.",
    ),
    Edit(
        "no_negative_layers",
        {"{layer % self.n_layers}": "{layer}"},
        "A negative layer is not counted from the end: it goes into the name with its minus sign. -1 "
        "is the last layer, `layer % n_layers`.",
    ),
    Edit(
        "negative_refused",
        {"-self.n_layers <= layer": "0 <= layer"},
        "A negative layer is refused. It counts from the end, as in a list: -1 is the last.",
    ),
    Edit(
        "off_by_one",
        {"{layer % self.n_layers}": "{layer if layer >= 0 else (layer - 1) % self.n_layers}"},
        "Negative layers come out one too low. -1 is the last layer, which is n_layers - 1.",
    ),
    Edit(
        "absolute",
        {"{layer % self.n_layers}": "{abs(layer) % self.n_layers}"},
        "The sign of the layer is thrown away. -1 is the last layer, and not layer 1.",
    ),
    Edit(
        "counts_from_one",
        {"{layer % self.n_layers}": "{(layer - 1) % self.n_layers}"},
        "All layers come out one too low. Layers count from 0.",
    ),
    Edit(
        "zero_is_none",
        {
            "            address = f": "            if not layer:\n                raise KeyError(name)\n            address = f"
        },
        "Layer 0 is treated as if there were none: 0 is false in Python. Ask `layer is None`, and "
        "never `if layer`.",
    ),
    Edit(
        "last_layer_that_is_there",
        {
            "        self.n_layers = n_layers\n": "        self.n_layers = len({n.split('.')[1] for n in cache_dict if n.startswith('blocks.')})\n"
        },
        "The layers that are in the dictionary are counted, and `n_layers` is not used. A cache may "
        "hold some layers only; -1 is still the model's last.",
    ),
    Edit(
        "shared_entries",
        {
            "class Cache(Mapping):\n": "class Cache(Mapping):\n    n_layers = None\n\n",
            "        self.n_layers = n_layers\n": "        Cache.n_layers = n_layers\n",
        },
        "All caches share one number of layers: it is kept on the class. Keep it on `self`.",
    ),
    Edit(
        "key_error_for_all",
        {RANGE: RANGE.replace("IndexError", "KeyError")},
        "A layer out of range raises a KeyError. It is an IndexError, as for a list.",
    ),
    Edit(
        "index_error_for_the_wrong_kind",
        {PAIR: PAIR.replace("TypeError", "IndexError")},
        "A pair that is no address, as one with a string for its layer, raises an IndexError. It is "
        "a TypeError: the kind is wrong, and not the number.",
    ),
    Edit(
        "key_error_for_no_address",
        {'raise TypeError(f"{address!r} is no address")': "raise KeyError(address)"},
        "What is no address at all raises a KeyError. It is a TypeError: nothing of this kind can "
        "ever be found.",
    ),
    Edit(
        "looks_up_anything",
        {
            '        if not isinstance(address, str):\n            raise TypeError(f"{address!r} is no address")\n': ""
        },
        "What is no address at all is looked up in the dictionary and raises a KeyError there. A "
        "float, None or a longer tuple is a TypeError.",
    ),
    Edit(
        "any_pair",
        {PAIR: "            layer = int(layer)\n"},
        "A string or a float is taken for a layer. A layer is an int; anything else is a TypeError.",
    ),
    Edit(
        "none_for_missing",
        {"return self.cache_dict[address]": "return self.cache_dict.get(address)"},
        "A name that is not there gives None, and the mistake shows much later. It has to raise a "
        "KeyError.",
    ),
    Edit(
        "copies",
        {"return self.cache_dict[address]": "return self.cache_dict[address].clone()"},
        "What comes back is a copy. A cache gives the entry itself: what is looked up costs no "
        "memory.",
    ),
    Edit(
        "in_disagrees",
        {TRY: "        return not isinstance(address, list) and address in self.cache_dict\n"},
        "`in` knows full names only, and `[]` knows pairs too. The two have to agree: let "
        "`__contains__` try `self[address]`.",
    ),
    Edit(
        "in_raises",
        {TRY: TRY.replace("(KeyError, IndexError, TypeError)", "KeyError")},
        "`in` raises where the address is out of range or none at all. A question has an answer: "
        "catch the IndexError and the TypeError too.",
    ),
    Edit(
        "in_raises_type_errors",
        {TRY: TRY.replace("(KeyError, IndexError, TypeError)", "(KeyError, IndexError)")},
        "`in` raises a TypeError for what is no address. It never raises: what is no address is not "
        "in the cache.",
    ),
    Edit(
        "in_raises_index_errors",
        {TRY: TRY.replace("(KeyError, IndexError, TypeError)", "(KeyError, TypeError)")},
        "`in` raises an IndexError for a layer out of range. It never raises: such a layer is not in "
        "the cache.",
    ),
    Edit(
        "in_asks_the_value",
        {"            self[address]\n": "            return bool(self[address].any())\n"},
        "`in` asks the entry and not whether it is there: an entry of zeros is said to be missing.",
    ),
]

START = "        if isinstance(address, tuple) and len(address) == 2:\n"
OTHERS = {
    "KeyError": "raises a KeyError.",
    "ValueError": "raises a ValueError.",
    "AssertionError": "raises an AssertionError, and under `python -O` nothing: `assert` is no guard.",
    "IndexError": "raises an IndexError.",
    "AttributeError": "raises an AttributeError.",
    "TypeError": "raises a TypeError.",
}


def raising(asked):
    """Ways to raise another exception than the one that is asked for."""
    article = "An" if asked[0] in "AEIOU" else "A"
    return {
        f"raise {kind}(address)": f"{words} {article} {asked} is asked for."
        for kind, words in OTHERS.items()
        if kind != asked
    } | {"return None": f"gives None. {article} {asked} is asked for."}


PAIR_OF = "isinstance(address, tuple) and len(address) == 2 and"
A_PAIR = f"{PAIR_OF} isinstance(address[0], str) and type(address[1]) is int and"
EDITS += slips(
    START,
    {
        "isinstance(address, tuple) and len(address) > 2": "A tuple of more than two parts",
        "isinstance(address, tuple) and len(address) < 2": "A tuple of less than two parts",
        f"{PAIR_OF} isinstance(address[1], str) and isinstance(address[0], str)": "A pair with a "
        "string for its layer",
        f"{PAIR_OF} isinstance(address[1], float)": "A pair with a float for its layer",
        f"{PAIR_OF} isinstance(address[0], int)": "A pair whose name is no string",
        "address is None or isinstance(address, (int, float))": "A number or None, which is no "
        "address,",
        "isinstance(address, list)": "A list",
    },
    raising("TypeError"),
)
EDITS += slips(
    START,
    {
        "isinstance(address, tuple) and len(address) > 2": "A tuple of more than two parts",
        f"{PAIR_OF} isinstance(address[1], float)": "A pair with a float for its layer",
        f"{PAIR_OF} isinstance(address[1], str) and isinstance(address[0], str)": "A pair with a "
        "string for its layer",
    },
    {
        "address = (address[0], int(address[1]))": "is taken for (name, layer). It is no address: "
        "a TypeError."
    },
)
OUTSIDE = {
    f"{A_PAIR} address[1] == self.n_layers": "Layer n in a model of n layers",
    f"{A_PAIR} address[1] > self.n_layers": "A layer above n",
    f"{A_PAIR} address[1] == -self.n_layers - 1": "Layer -n - 1 in a model of n layers",
    f"{A_PAIR} address[1] < -self.n_layers - 1": "A layer far below -n",
}
EDITS += slips(START, OUTSIDE, raising("IndexError"))
EDITS += slips(
    START,
    dict(list(OUTSIDE.items())[1:]),
    {
        "address = (address[0], address[1] % self.n_layers)": "finds another layer: it wraps round. "
        "An IndexError is asked for."
    },
)
EDITS += slips(
    START,
    OUTSIDE,
    {
        "address = (address[0], min(max(address[1], 0), self.n_layers - 1))": "finds the nearest "
        "layer that there is. An IndexError is asked for.",
    },
)
EDITS += slips(
    START,
    {
        "isinstance(address, str) and address not in self.cache_dict": "A full name that is not "
        "there",
        "isinstance(address, str) and len(address) == 2": "A name of two letters, which is unpacked "
        "as if it were a pair,",
        f"{A_PAIR} -self.n_layers <= address[1] < self.n_layers and "
        "f'blocks.{address[1] % self.n_layers}.hook_{address[0]}' not in self.cache_dict": "A name "
        "that is not there at this layer",
    },
    raising("KeyError"),
)
EDITS += slips(
    START,
    {
        f"{A_PAIR} address[1] == -1": "Layer -1",
        f"{A_PAIR} -self.n_layers < address[1] < -1": "A negative layer below -1, and above -n,",
        f"{A_PAIR} 0 < address[1] < self.n_layers": "A layer above 0",
    },
    {
        "raise KeyError(f'blocks.{address[1]}.hook_{address[0]}')": "is looked up as it is, or not "
        "at all, and is not found. It counts as in a list of n layers.",
        "raise IndexError(address)": "is refused. It counts as in a list of n layers.",
        "address = (address[0], address[1] - 1)": "finds the layer before. It counts as in a list "
        "of n layers.",
        "address = (address[0], (address[1] + 1) % self.n_layers)": "finds the layer after. It "
        "counts as in a list of n layers.",
    },
)
EDITS += slips(
    START,
    {f"{A_PAIR} address[1] == -self.n_layers and address[1] < -1": "Layer -n"},
    {
        "raise KeyError(f'blocks.{address[1]}.hook_{address[0]}')": "is looked up as it is, or not "
        "at all, and is not found. It is the first layer, as in a list.",
        "raise IndexError(address)": "is refused. It is the first layer, as in a list.",
    },
)
NO_ADDRESS = "not isinstance(address, (str, list)) and not (isinstance(address, tuple) and len(address) == 2)"
EDITS += slips(
    "        try:\n",
    {
        "isinstance(address, list)": "`in`, asked for a list,",
        NO_ADDRESS: "`in`, asked for a number, None or a tuple that is no pair,",
        f"{PAIR_OF} not ({A_PAIR} True)": "`in`, asked for a pair of the wrong kinds,",
    },
    {
        "self[address]": "raises what `[]` raises. It never raises: such an address is not in the "
        "cache.",
        "return True": "says True, and `[]` raises. The two have to agree.",
    },
)
EDITS += slips(
    "        try:\n",
    {
        f"{A_PAIR} not -self.n_layers <= address[1] < self.n_layers": "`in`, asked for a layer out "
        "of range,",
    },
    {"return True": "says True, and `[]` raises. The two have to agree."},
)
EDITS += slips(
    "        try:\n",
    {
        f"{A_PAIR} address[1] < 0": "`in`, asked for a negative layer,",
        f"{A_PAIR} address[1] >= 0": "`in`, asked for a layer from the front,",
        "isinstance(address, str)": "`in`, asked for a full name,",
    },
    {
        "return False": "says False, and `[]` finds it. The two have to agree.",
        "return True": "says True whether it is there or not. It has to agree with `[]`.",
    },
)
ITERATES = "        return iter(self.cache_dict)\n"
EDITS += [
    Edit(
        "iterates_over_values",
        {ITERATES: "        return iter(self.cache_dict.values())\n"},
        "Iteration gives the activations. It gives the full names, as for any Mapping.",
    ),
    Edit(
        "iterates_in_order_of_names",
        {ITERATES: "        return iter(sorted(self.cache_dict))\n"},
        "Iteration sorts the names. It gives them in the order of the dictionary.",
    ),
    Edit(
        "iterates_over_short_names",
        {ITERATES: "        return iter(n.split('hook_')[-1] for n in self.cache_dict)\n"},
        "Iteration gives the last words. It gives the full names.",
    ),
    Edit(
        "attn_in_the_name",
        {
            'f"blocks.{layer % self.n_layers}.hook_{name}"': 'f"blocks.{layer % self.n_layers}.attn.hook_{name}"'
        },
        "`attn` is put into the name of each pair. The task says that `('q', 1)` means "
        "`blocks.1.hook_q`.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
KIND = "if not isinstance(name, str) or not isinstance(layer, int) or isinstance(layer, bool):"
EQUIVALENT = {
    f"{KIND} -> if not isinstance(layer, int) or isinstance(layer, bool):": "The task leaves open "
    "whether a pair with another name than a string is no address or is not there.",
    f"{KIND} -> if not isinstance(name, str) or not isinstance(layer, int):": "The task leaves open "
    "whether True is a layer.",
    "return False -> return": "`in` makes a bool of what it gets.",
}
