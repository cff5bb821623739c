"""Generate the text that the shipped model is trained on: four kinds, each for one mechanism.

- **Names**: `When Mary and John went to the shop , John gave a book to Mary .` The answer is the
  name that comes once. This is the task of "Interpretability in the Wild" [Wang et al. 2022].
- **Facts**: `The capital of France is Paris .` The answer must be in the weights, because it is not
  in the text before it.
- **Stories**: an animal, its colour and its place are mentioned again, so copying phrases helps.
- **Repeats**: random words, and then the same words again. Only induction [Olsson et al. 2022]
  predicts the second half.

All text comes from a `random.Random`, so a seed determines it.
"""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import Final

__all__ = ["FACTS", "HELD_OUT_PAIRS", "VOCABULARY", "facts", "names", "repeats", "row", "stories"]

NAMES: Final = (
    "Mary John Alice Bob Emma James Lucy Peter Sarah Tom Anna David Kate Paul Rose Sam"
).split()
PLACES: Final = "shop park school beach house station garden river".split()
THINGS: Final = "book ball cake ring flower letter coat apple drink kite".split()
COLOURS: Final = "red blue green white black brown grey yellow".split()
ANIMALS: Final = "dog cat bird fox horse mouse bear rabbit".split()
CAPITALS: Final = dict(
    France="Paris", Italy="Rome", Spain="Madrid", Germany="Berlin", England="London", Japan="Tokyo",
    Russia="Moscow", Egypt="Cairo", Greece="Athens", China="Beijing", Sweden="Stockholm",
    Poland="Warsaw",
)  # fmt: skip
LANGUAGES: Final = dict(
    France="French", Italy="Italian", Spain="Spanish", Germany="German", England="English",
    Japan="Japanese", Russia="Russian", Egypt="Arabic", Greece="Greek", China="Chinese",
    Sweden="Swedish", Poland="Polish",
)  # fmt: skip
FACTS: Final = [
    *((f"The capital of {country} is", city) for country, city in CAPITALS.items()),
    *((f"In {country} people speak", language) for country, language in LANGUAGES.items()),
]
GLUE: Final = (
    ". , When and went to the gave a The capital of is In people speak Once there was "
    "liked One day found It said I am with its in but could not find then"
).split()
CONTENT: Final = [
    *NAMES, *PLACES, *THINGS, *COLOURS, *ANIMALS,
    *CAPITALS, *CAPITALS.values(), *LANGUAGES.values(),
]  # fmt: skip
VOCABULARY: Final = ["<pad>", "<bos>", *GLUE, *CONTENT]

# About one pair of names in eight is held out of training, in both orders, to measure accuracy on.
_PAIRS: Final = [pair for pair in permutations(NAMES, 2)]
_HELD_OUT = {pair for pair in _PAIRS if (sum(map(NAMES.index, pair)) * 5 + 3) % 8 == 0}
HELD_OUT_PAIRS: Final = sorted(_HELD_OUT)
TRAINED_PAIRS: Final = [pair for pair in _PAIRS if pair not in _HELD_OUT]


def names(random: Random, pair: tuple[str, str] | None = None) -> tuple[str, str, str]:
    """Generate a sentence without its last name: (text, the last name, the other name)."""
    first, second = pair or random.choice(TRAINED_PAIRS)
    giver, taker = random.sample((first, second), 2)
    place, thing = random.choice(PLACES), random.choice(THINGS)
    text = f"When {first} and {second} went to the {place} , {giver} gave a {thing} to"
    return text, taker, giver


def facts(random: Random) -> str:
    """Generate a sentence that states a fact."""
    return "{} {} .".format(*random.choice(FACTS))


def stories(random: Random) -> str:
    """Generate a story about an animal whose colour, place and thing stay the same."""
    hero = f"{random.choice(COLOURS)} {random.choice(ANIMALS)}"
    place = f"{random.choice(COLOURS)} {random.choice(PLACES)}"
    thing = f"{random.choice(COLOURS)} {random.choice(THINGS)}"
    middle = [
        f"The {hero} liked the {thing} .",
        f"One day the {hero} went to the {place} .",
        f"The {hero} found the {thing} in the {place} .",
        f"The {hero} could not find its {thing} .",
        f"It said I am the {hero} with the {thing} .",
    ]
    chosen = sorted(random.sample(range(len(middle)), 3))
    return " ".join([f"Once there was a {hero} .", *(middle[index] for index in chosen)])


def repeats(random: Random, length: int, total: int) -> list[str]:
    """Generate `length` random words, repeated until there are `total` words."""
    phrase = [random.choice(CONTENT) for _ in range(length)]
    return (phrase * (total // length + 1))[:total]


def row(random: Random, total: int) -> list[str]:
    """Generate `total` words of one kind of text. The kind is random: 4 in 9 are repeats."""
    kind = random.choice(("names", "names", "names", "facts", "stories", *4 * ("repeats",)))
    if kind == "repeats":
        return repeats(random, random.randint(4, total // 2), total)
    words: list[str] = []
    while len(words) < total:
        if kind == "names":
            text, taker, _ = names(random)
            words += f"{text} {taker} .".split()
        elif kind == "facts":
            words += facts(random).split()
        else:
            words += stories(random).split()
    return words[:total]
