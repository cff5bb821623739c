"""Resolve any spelling of an activation's name, and say where each activation lives and its axes.

`("q", 3)`, `"q3"` and `"blocks.3.attn.hook_q"` are one address. AXES is the one table: of each
activation where in the model it lives, and which axes it has. This module holds no tensors and no
model. The names are TransformerLens's.
"""

from __future__ import annotations

import operator
import re
from functools import lru_cache
from typing import Final

from minicache.errors import (
    AddressTypeError,
    ArgumentTypeError,
    LayerRangeError,
    UnknownActivationError,
    describe,
    nearest,
    shown,
)

__all__ = [
    "AXES",
    "axes_of",
    "block_layer",
    "get_act_name",
    "index_of",
    "pos_axis",
    "split_act_name",
    "stream_place",
]

_NORM: Final = {"scale": "pos 1", "normalized": "pos d_model"}
AXES: Final[dict[str, dict[str, str]]] = {
    "": {"embed": "pos d_model", "pos_embed": "pos d_model"},
    "blocks": {
        **dict.fromkeys(("resid_pre", "resid_mid", "resid_post"), "pos d_model"),
        **dict.fromkeys(("attn_out", "mlp_out", "mlp_in"), "pos d_model"),
        **dict.fromkeys(("attn_in", "q_input", "k_input", "v_input"), "pos head d_model"),
    },
    "blocks.attn": {
        **dict.fromkeys(("q", "k", "v", "z", "rot_q", "rot_k"), "pos head d_head"),
        **dict.fromkeys(("attn_scores", "pattern"), "head query key"),
        "result": "pos head d_model",
    },
    "blocks.mlp": dict.fromkeys(("pre", "mid", "post", "pre_linear"), "pos d_mlp"),
    **dict.fromkeys(("blocks.ln1", "blocks.ln1_post", "blocks.ln2", "blocks.ln2_post"), _NORM),
    "ln_final": _NORM,
    "unembed": {"in": "pos d_model", "out": "pos d_vocab"},
}
"""Of each place in a model, its activations, and the axes of each after the batch axis.

It has the activations that TransformerLens can emit and minicache's own models do not, too.
"""
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
_SHORT = re.compile(r"([a-z][a-z_]*?)([0-9]{1,9})(\w*)")  # "q3", "k3a", "scale4ln1"
_BLOCK_NAME = re.compile(r"blocks\.([0-9]{1,9})\.(.+)")


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
    index = index_of(layer)
    if (
        not isinstance(name, str)
        or (index is None and layer is not None)
        or not isinstance(layer_type, str | None)
    ):
        parts = " and ".join(map(describe, (name, layer, layer_type)))
        raise AddressTypeError(
            f"get_act_name was given {parts}. A name is a string; a layer is an int from 0 up, or "
            f"None; a layer_type is a string such as 'attn', 'mlp', 'ln1', or None. "
            f"Examples: ('q', 3), ('scale', 3, 'ln1'), 'q3'."
        )
    return _resolve(name, index, layer_type)


@lru_cache(maxsize=4096)  # an analysis asks for the same few hundred names again and again
def _resolve(name: str, layer: int | None, layer_type: str | None) -> str:
    asked = ", ".join(shown(part) for part in (name, layer, layer_type) if part is not None)
    if "." in name or name.startswith("hook_"):
        if layer is None and layer_type is None:
            return name
        raise UnknownActivationError(
            f"get_act_name({asked}): {shown(name)} is a full name, and a full name already says "
            f"its layer. Give it alone."
        )
    if short := _SHORT.fullmatch(name):
        if layer is not None or (layer_type and short[3]):
            raise UnknownActivationError(
                f"get_act_name({asked}): {shown(name)} already says where. Give the place once."
            )
        name, layer, layer_type = short[1], int(short[2]), short[3] or layer_type
    if layer is not None and not 0 <= layer < 10**9:
        raise LayerRangeError(
            f"get_act_name({asked}): a name holds a layer from 0 up. "
            f"cache[{shown(name)}, {shown(layer)}] counts from the end, because a cache knows its "
            f"model."
        )
    act = SHORTHAND.get(name, name)
    homes = _homes(act, in_block=layer is not None)
    place = PLACE_SHORTHAND.get(layer_type, layer_type) if layer_type is not None else None
    # One home: it may be left out. Two (a LayerNorm's own): it must be said.
    fitting = homes if place is None else [home for home in homes if home == place]
    if len(fitting) == 1:
        block = "" if layer is None else f"blocks.{layer}."
        return block + (f"{fitting[0]}." if fitting[0] else "") + f"hook_{act}"
    raise UnknownActivationError(f"get_act_name({asked}): " + _why_not(act, layer, place, homes))


def _homes(act: str, in_block: bool) -> list[str]:
    """The places that have an activation of this name, within a block or outside all blocks."""
    homes = [place for place, acts in AXES.items() if act in acts]
    return [
        place.removeprefix("blocks").lstrip(".")
        for place in homes
        if place.startswith("blocks") == in_block
    ]


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
        return f"{act!r} is not in {shown(place)}; it is in {where}. Leave the layer_type out."
    if layer is None and _homes(act, in_block=True):
        return f"every block has a {act!r}. Say which layer: ({act!r}, 0) or '{act}0'."
    if layer is not None and _homes(act, in_block=False):
        return f"{act!r} belongs to the whole model, not to a layer. Ask for {act!r} alone."
    known = {known for acts in AXES.values() for known in acts}
    hint = nearest(act, known | set(SHORTHAND))
    return f"no activation is called {shown(act)}.{hint} Known: {', '.join(sorted(known))}."


def split_act_name(full_name: str) -> tuple[int | None, str]:
    """A full name as (layer, rest): `(3, "attn.hook_q")`; the layer is None outside the blocks."""
    match = _BLOCK_NAME.fullmatch(full_name)
    return (int(match[1]), match[2]) if match else (None, full_name)


@lru_cache(maxsize=4096)
def axes_of(full_name: str) -> tuple[str, ...]:
    """The axes of an activation, or of its gradient, after the batch axis: `("pos", "d_model")`.

    Raises:
        UnknownActivationError: AXES has no such activation.
    """
    layer, rest = split_act_name(full_name.removesuffix("_grad"))
    place, _, act = (rest if layer is None else f"blocks.{rest}").rpartition("hook_")
    if act in (acts := AXES.get(place.rstrip("."), {})):
        return tuple(acts[act].split())
    raise UnknownActivationError(f"The axes of {full_name!r} are not known: it is not in AXES.")


def pos_axis(full_name: str) -> int:
    """Which axis of an activation is position, counted from the end: -3 where heads follow it.

    In a pattern or its scores, [.., head, query, key], it is the query's. In an activation that
    AXES does not have, the last but one is taken for it.
    """
    try:
        axes = axes_of(full_name)
    except UnknownActivationError:
        return -2
    return axes.index("query" if "query" in axes else "pos") - len(axes)


def index_of(value: object) -> int | None:
    """The int that an index stands for: Python's, numpy's, or a 0-d tensor's. None for the rest.

    A bool is no index, though Python counts it among the ints.
    """
    is_bool = isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")
    if is_bool or getattr(value, "ndim", 0) != 0:
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]  # it raises for what is none
    except TypeError:
        return None


def block_layer(layer: int, n_layers: int) -> int:
    """A block's index, counted as a Python list counts: -1 is the last of `n_layers`.

    Raises:
        LayerRangeError: there is no such block.
        ArgumentTypeError: `layer` is not an int.
    """
    return _count_from_start(layer, n_layers, "Layer ", f"this model has {n_layers}")


def stream_place(layer: int | None, n_layers: int, *, mlp_input: bool = False) -> int:
    """A place in the residual stream: before block 0, 1, .., and after the last.

    There are n_layers + 1 places, and a layer indexes them as it would a list: None and -1 are the
    last place, after all blocks; -2 is before the last block.

    Args:
        mlp_input: The place within block `layer`, between its attention and its MLP.

    Raises:
        LayerRangeError: no such place, or `mlp_input` at the last one, which no MLP follows.
        ArgumentTypeError: `layer` is not an int or None.
    """
    there = f"the stream past {n_layers} layers has {n_layers + 1} places"
    place = n_layers if layer is None else _count_from_start(layer, n_layers + 1, "layer=", there)
    if mlp_input and place == n_layers:
        raise LayerRangeError(
            f"mlp_input=True with layer={layer}: no MLP follows the last place of the stream. "
            f"Give a layer from 0 to {n_layers - 1}."
        )
    return place


def _count_from_start(layer: object, size: int, asked: str, there: str) -> int:
    """A layer as a list of this size counts it, from 0 up."""
    if (index := index_of(layer)) is None:
        raise ArgumentTypeError(f"layer is an int, and not {describe(layer)}.")
    if -size <= index < size:
        return index % size
    raise LayerRangeError(
        f"{asked}{shown(index)} was asked for; {there}. Give {-size} to {size - 1}: -1 is the last."
    )
