"""The address book: three ways to write one activation's name, and the rule between them.

`("q", 3)`, `"q3"` and `"blocks.3.attn.hook_q"` are one address. This module knows the grammar and
nothing else: no tensors, no model. First stand the tables, which are the grammar; then the small
functions that read them. The names are TransformerLens's. Lesson 9 tells the story.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import NoneType
from typing import Final

from minicache.errors import AddressTypeError, LayerRangeError, UnknownActivationError, nearest

__all__ = ["block_layer", "get_act_name", "pos_axis", "split_act_name", "stream_place"]

# Which activations live where. A block's own are at the place "".
BLOCK: Final[dict[str, tuple[str, ...]]] = {
    "": (
        *("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out"),
        *("attn_in", "q_input", "k_input", "v_input", "mlp_in"),
    ),
    "attn": ("q", "k", "v", "z", "attn_scores", "pattern", "result", "rot_q", "rot_k"),
    "mlp": ("pre", "mid", "post", "pre_linear"),
    "ln1": ("scale", "normalized"),
    "ln2": ("scale", "normalized"),
}
MODEL: Final[dict[str, tuple[str, ...]]] = {
    "": ("embed", "pos_embed"),
    "ln_final": ("scale", "normalized"),
    "unembed": ("in", "out"),
}
SHORTHAND: Final = {
    "attn": "pattern",
    "attn_logits": "attn_scores",
    "query": "q",
    "key": "k",
    "value": "v",
    "mlp_pre": "pre",
    "mlp_mid": "mid",
    "mlp_post": "post",
}
PLACE_SHORTHAND: Final = {
    "a": "attn",
    "attention": "attn",
    "m": "mlp",
    "b": "",
    "block": "",
    "blocks": "",
}
# These hold a head axis between position and d_head; everywhere else position stands next to last.
HEADED: Final = ("hook_q", "hook_k", "hook_v", "hook_z", "hook_result", "hook_rot_q", "hook_rot_k")

_SHORT = re.compile(r"([a-z][a-z_]*?)(\d+)(\w*)")  # "q3", "k3a", "scale4ln1"
_BLOCK_NAME = re.compile(r"blocks\.(\d+)\.(.+)")


def get_act_name(name: str, layer: int | None = None, layer_type: str | None = None) -> str:
    """The full name of an activation, from any way of writing it.

    A full name (one with a dot, or that starts with `hook_`) comes back unchanged, so the function
    can be applied twice. The grammar is TransformerLens's; unlike there, what names nothing raises.

    Args:
        name: `"q"`, `"q3"`, `"k3a"`, `"scale4ln1"`, `"pre5"`, `"embed"`, or a full name.
        layer: The block, from 0 up. `cache["q", -1]` counts from the end; a name alone cannot.
        layer_type: Where in the block: `attn` or `a`, `mlp` or `m`, `ln1`, `ln2`.

    Raises:
        UnknownActivationError: no activation is called that; the message has the nearest names.
        LayerRangeError: `layer` is negative.
        AddressTypeError: a part has the wrong type.

    Examples:
        >>> get_act_name("q", 3), get_act_name("scale4ln1"), get_act_name("embed")
        ('blocks.3.attn.hook_q', 'blocks.4.ln1.hook_scale', 'hook_embed')
    """
    _check_types(name, layer, layer_type)
    return _resolved(name, layer, layer_type)


@lru_cache(maxsize=4096)  # an analysis asks for the same few hundred names again and again
def _resolved(name: str, layer: int | None, layer_type: str | None) -> str:
    asked = ", ".join(repr(part) for part in (name, layer, layer_type) if part is not None)
    if "." in name or name.startswith("hook_"):
        if layer is None and layer_type is None:
            return name
        raise UnknownActivationError(
            f"get_act_name({asked}): {name!r} is a full name, and a full name already says its "
            f"layer. Give it alone."
        )
    if short := _SHORT.fullmatch(name):
        if layer is not None or (layer_type and short[3]):
            raise UnknownActivationError(
                f"get_act_name({asked}): {name!r} already says where. Give the place once."
            )
        name, layer, layer_type = short[1], int(short[2]), short[3] or layer_type
    if layer is not None and layer < 0:
        raise LayerRangeError(
            f"get_act_name({asked}): a name holds a layer from 0 up. "
            f"cache[{name!r}, {layer}] counts from the end, because a cache knows its model."
        )
    act = SHORTHAND.get(name, name)
    table = MODEL if layer is None else BLOCK
    homes = [place for place, acts in table.items() if act in acts]
    place = PLACE_SHORTHAND.get(layer_type, layer_type) if layer_type is not None else None
    # One home: it may be left out. Two (a LayerNorm's own): it must be said.
    fitting = homes if place is None else [home for home in homes if home == place]
    if len(fitting) == 1:
        block = "" if layer is None else f"blocks.{layer}."
        return block + (f"{fitting[0]}." if fitting[0] else "") + f"hook_{act}"
    raise UnknownActivationError(f"get_act_name({asked}): " + _why_not(act, layer, place, homes))


def _check_types(name: object, layer: object, layer_type: object) -> None:
    for part, (what, kinds, wanted) in zip((name, layer, layer_type), _PARTS, strict=True):
        if not isinstance(part, kinds) or isinstance(part, bool):
            raise AddressTypeError(
                f"The {what} of an activation is {wanted}, and not {part!r} "
                f"of type {type(part).__name__}. Examples: ('q', 3), ('scale', 3, 'ln1'), 'q3'."
            )


_PARTS: Final[tuple[tuple[str, type | tuple[type, ...], str], ...]] = (
    ("name", str, "a string"),
    ("layer", (int, NoneType), "an int from 0 up, or None"),
    ("layer_type", (str, NoneType), "a string such as 'attn', 'mlp', 'ln1', or None"),
)


def _why_not(act: str, layer: int | None, place: str | None, homes: list[str]) -> str:
    """What is wrong with an address that fits no entry, or several, of the tables."""
    if len(homes) > 1 and place is None:
        return (
            f"{act!r} is in every LayerNorm of a block. Say which: "
            + " or ".join(f"({act!r}, {layer}, {home!r})" for home in homes)
            + "."
        )
    if homes:
        where = " or ".join(repr(home) if home else "the block itself" for home in homes)
        return (
            f"{act!r} is not in {place!r}; it is in {where}. Leave the layer_type out, or mend it."
        )
    if layer is None and any(act in acts for acts in BLOCK.values()):
        return f"every block has a {act!r}. Say which layer: ({act!r}, 0) or '{act}0'."
    if layer is not None and any(act in acts for acts in MODEL.values()):
        return f"{act!r} belongs to the whole model, not to a layer. Ask for {act!r} alone."
    known = {act for table in (BLOCK, MODEL) for acts in table.values() for act in acts}
    hint = nearest(act, known | set(SHORTHAND))
    return f"no activation is called {act!r}.{hint} Known: {', '.join(sorted(known))}."


def split_act_name(full_name: str) -> tuple[int | None, str]:
    """A full name as (layer, rest): `(3, "attn.hook_q")`; the layer is None outside the blocks."""
    match = _BLOCK_NAME.fullmatch(full_name)
    return (int(match[1]), match[2]) if match else (None, full_name)


def pos_axis(full_name: str) -> int:
    """Which axis of an activation is position, counted from the end: -3 where heads follow it.

    In a pattern or its scores, [.., head, query, key], it is the query's.
    """
    return -3 if full_name.removesuffix("_grad").endswith(HEADED) else -2


def block_layer(layer: int, n_layers: int) -> int:
    """A block's index, counted as a Python list counts: -1 is the last of `n_layers`.

    Raises:
        LayerRangeError: there is no such block.
    """
    if -n_layers <= layer < n_layers:
        return layer % n_layers
    raise LayerRangeError(
        f"Layer {layer} was asked for; this model has {n_layers}, "
        f"so a layer is {-n_layers} to {n_layers - 1}."
    )


def stream_place(layer: int | None, n_layers: int, *, mlp_input: bool = False) -> int:
    """A place in the residual stream: before block 0, 1, .., and after the last.

    There are n_layers + 1 places, and a layer indexes them as it would a list: None and -1 are the
    last place, after all blocks; -2 is before the last block.

    Args:
        mlp_input: The place within block `layer`, between its attention and its MLP.

    Raises:
        LayerRangeError: no such place, or `mlp_input` at the last one, which no MLP follows.
        AddressTypeError: `layer` is not an int or None.
    """
    if layer is not None and (not isinstance(layer, int) or isinstance(layer, bool)):
        raise AddressTypeError(
            f"layer is an int or None, and not {layer!r} of type {type(layer).__name__}."
        )
    places = n_layers + 1
    asked = n_layers if layer is None else layer
    if not -places <= asked < places:
        raise LayerRangeError(
            f"layer={layer} was asked for; with {n_layers} layers the residual stream has {places} "
            f"places, {-places} to {n_layers}. None, -1 and {n_layers} are all the last."
        )
    place = asked % places
    if mlp_input and place == n_layers:
        raise LayerRangeError(
            f"mlp_input=True with layer={layer}: no MLP follows the last place of the stream. "
            f"Give a layer from 0 to {n_layers - 1}."
        )
    return place
