"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

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

# Small changes of the reference that no answer can be told by: the change, and the reason.
KIND = "if not isinstance(name, str) or not isinstance(layer, int) or isinstance(layer, bool):"
EQUIVALENT = {
    f"{KIND} -> if not isinstance(layer, int) or isinstance(layer, bool):": "The task leaves open "
    "whether a pair with another name than a string is no address or is not there.",
    f"{KIND} -> if not isinstance(name, str) or not isinstance(layer, int):": "The task leaves open "
    "whether True is a layer.",
    "return False -> return": "`in` makes a bool of what it gets.",
}
