"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
    Edit(
        "in_disagrees",
        {
            "        try:\n            self[address]\n        except (KeyError, IndexError, TypeError):\n            return False\n        return True\n": "        return address in self.cache_dict\n"
        },
        "`in` and `[]` disagree: `cache['q', 1]` works, and `('q', 1) in cache` is false. Let `__contains__` resolve the address in the same way.",
    ),
    Edit(
        "in_raises",
        {"        except (KeyError, IndexError, TypeError):\n": "        except KeyError:\n"},
        "`in` raises for some addresses. It is a question, and its answer is yes or no: catch the IndexError and the TypeError of `[]` as well as the KeyError.",
    ),
    Edit(
        "key_error_for_all",
        {
            '                raise IndexError(f"layer {layer}: the model has {self.n_layers}")\n': '                raise KeyError(f"layer {layer}: the model has {self.n_layers}")\n'
        },
        "A layer out of range raises a KeyError. That reads like a misspelt name. A place that a sequence does not have is an IndexError in Python, and whoever loops over layers will catch that.",
    ),
    Edit(
        "none_for_missing",
        {
            "        return self.cache_dict[address]\n": "        return self.cache_dict.get(address)\n",
            "            self[address]\n        except (KeyError, IndexError, TypeError):\n": "            return self[address] is not None\n        except (IndexError, TypeError):\n",
            "        return True\n": "",
        },
        "A name that is not there gives None. The mistake then shows later, as `None has no attribute shape`. Square brackets raise a KeyError; `get` is the method that gives None.",
    ),
    Edit(
        "off_by_one",
        {
            '            address = f"blocks.{layer % self.n_layers}.hook_{name}"\n': '            address = f"blocks.{(layer if layer >= 0 else layer - 1) % self.n_layers}.hook_{name}"\n'
        },
        "Layers from the end are off by one: -1 finds the last but one. -1 is the last, so the index from the front is `n_layers + layer`, with nothing taken off.",
    ),
    Edit(
        "wraps",
        {
            '            if not -self.n_layers <= layer < self.n_layers:\n                raise IndexError(f"layer {layer}: the model has {self.n_layers}")\n': ""
        },
        "A layer that is out of range wraps round to another: with 3 layers, -4 gives the last. `%` never complains. Check the range first, and raise an IndexError.",
    ),
    Edit(
        "zero_is_none",
        {
            '                raise TypeError(f"{address!r}: give (name, layer)")\n': '                raise TypeError(f"{address!r}: give (name, layer)")\n            if not layer:\n                raise TypeError("give a layer")\n'
        },
        "Layer 0 is taken for no layer at all, because 0 is false. Test `is None`, or the type, and not the truth of a number.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT: dict[str, str] = {}
