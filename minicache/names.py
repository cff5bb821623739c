"""Resolve any spelling of an activation's name to its full name, and look up its axes.

`("q", 3)`, `"q3"` and `"blocks.3.attn.hook_q"` name the same activation. `AXES` is the only table
of activations: for each, the module that it stands in, and its axes. This module holds no tensors
and no model. The names are TransformerLens's.
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
"""The activations of each module, and each activation's axes after the batch axis.

Some are only in models of TransformerLens, and not in minicache's own: `"rot_q"`, for example.
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
    """Return the full name of an activation, given any spelling of it.

    A full name has a dot, or starts with `hook_`. It is returned unchanged, so the function can be
    applied twice. The grammar is TransformerLens's, but here a name that fits no activation raises.

    Args:
        name: `"q"`, `"q3"`, `"k3a"`, `"scale4ln1"`, `"pre5"`, `"embed"`, or a full name.
        layer: The block, from 0 up. Only a cache can count from the end: `cache["q", -1]`.
        layer_type: The module in the block: `attn` or `a`, `mlp` or `m`, `ln1`, `ln2`.

    Raises:
        UnknownActivationError: no activation has this name; the message lists the nearest names.
        LayerRangeError: `layer` is negative.
        AddressTypeError: an argument has the wrong type.

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
        arguments = " and ".join(map(describe, (name, layer, layer_type)))
        raise AddressTypeError(
            f"get_act_name was given {arguments}. A name is a string; a layer is an int from 0 up, "
            f"or None; a layer_type is a string such as 'attn', 'mlp', 'ln1', or None. "
            f"Examples: ('q', 3), ('scale', 3, 'ln1'), 'q3'."
        )
    return _resolve(name, index, layer_type)


@lru_cache(maxsize=4096)  # an analysis asks for the same few hundred names again and again
def _resolve(name: str, layer: int | None, layer_type: str | None) -> str:
    arguments = ", ".join(shown(part) for part in (name, layer, layer_type) if part is not None)
    call = f"get_act_name({arguments})"
    if "." in name or name.startswith("hook_"):
        if layer is None and layer_type is None:
            return name
        raise UnknownActivationError(
            f"{call}: {shown(name)} is a full name, which includes its layer. Give it alone."
        )
    if short := _SHORT.fullmatch(name):
        if layer is not None or (layer_type and short[3]):
            raise UnknownActivationError(
                f"{call}: layer or layer_type is given twice, once in {shown(name)}. Give it once."
            )
        name, layer, layer_type = short[1], int(short[2]), short[3] or layer_type
    if layer is not None and not 0 <= layer < 10**9:
        raise LayerRangeError(
            f"{call}: give a layer from 0 up. cache[{shown(name)}, {shown(layer)}] counts from the "
            f"end, because a cache knows its model."
        )
    act = SHORTHAND.get(name, name)
    modules = _find_modules(act, in_block=layer is not None)
    module = PLACE_SHORTHAND.get(layer_type, layer_type) if layer_type is not None else None
    # In one module only: layer_type may be left out. In several (a LayerNorm's scale): it may not.
    fitting = modules if module is None else [known for known in modules if known == module]
    if len(fitting) == 1:
        block = "" if layer is None else f"blocks.{layer}."
        return block + (f"{fitting[0]}." if fitting[0] else "") + f"hook_{act}"
    raise UnknownActivationError(f"{call}: {_explain(act, layer, module, modules)}")


def _find_modules(act: str, in_block: bool) -> list[str]:
    """List the modules that have an activation of this name, in a block or outside all blocks."""
    return [
        place.removeprefix("blocks").lstrip(".")
        for place, acts in AXES.items()
        if act in acts and place.startswith("blocks") == in_block
    ]


def _explain(act: str, layer: int | None, module: str | None, modules: list[str]) -> str:
    """Say why this activation is in no such module, or in several, as part of a message."""
    if len(modules) > 1 and module is None:
        return (
            f"{act!r} is in every LayerNorm of a block. Say which: "
            + " or ".join(f"({act!r}, {layer}, {known!r})" for known in modules)
            + "."
        )
    if modules:
        where = " or ".join(repr(known) if known else "the block itself" for known in modules)
        return f"{act!r} is not in {shown(module)}; it is in {where}. Leave the layer_type out."
    if layer is None and _find_modules(act, in_block=True):
        return f"every block has a {act!r}. Say which layer: ({act!r}, 0) or '{act}0'."
    if layer is not None and _find_modules(act, in_block=False):
        return f"{act!r} belongs to the whole model, not to a layer. Ask for {act!r} alone."
    known = {known for acts in AXES.values() for known in acts}
    hint = nearest(act, known | set(SHORTHAND))
    return f"no activation is called {shown(act)}.{hint} Known: {', '.join(sorted(known))}."


def split_act_name(full_name: str) -> tuple[int | None, str]:
    """Split a full name: `(3, "attn.hook_q")`. The layer is None for a name outside the blocks."""
    match = _BLOCK_NAME.fullmatch(full_name)
    return (int(match[1]), match[2]) if match else (None, full_name)


@lru_cache(maxsize=4096)
def axes_of(full_name: str) -> tuple[str, ...]:
    """Look up the axes of an activation or its gradient, without batch: `("pos", "d_model")`.

    Raises:
        UnknownActivationError: the activation is not in `AXES`.
    """
    layer, rest = split_act_name(full_name.removesuffix("_grad"))
    place, _, act = (rest if layer is None else f"blocks.{rest}").rpartition("hook_")
    if act in (acts := AXES.get(place.rstrip("."), {})):
        return tuple(acts[act].split())
    raise UnknownActivationError(
        f"The axes of {full_name!r} are not known: minicache.names.AXES does not have it."
    )


def pos_axis(full_name: str) -> int:
    """Return the position axis of an activation, counted from the end: -3 where heads follow it.

    For attention patterns and scores, [.., head, query, key], it is the query axis. For an
    activation that is not in `AXES`, it is the last axis but one.
    """
    try:
        axes = axes_of(full_name)
    except UnknownActivationError:
        return -2
    return axes.index("query" if "query" in axes else "pos") - len(axes)


def index_of(value: object) -> int | None:
    """Convert an index (an int of Python or numpy, or a 0-d int tensor) to an int.

    Anything else gives None. A bool does too, although Python's bool is a subclass of int.
    """
    is_bool = isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")
    if is_bool or getattr(value, "ndim", 0) != 0:
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]  # a TypeError says it is no index
    except TypeError:
        return None


def block_layer(layer: int, n_layers: int) -> int:
    """Convert a block's index, which may count from the end, to one from 0 to n_layers - 1.

    Raises:
        LayerRangeError: the model has no such block.
        ArgumentTypeError: `layer` is not an int.
    """
    return _count_from_start(layer, n_layers, "Layer ", f"this model has {n_layers}")


def stream_place(layer: int | None, n_layers: int, *, mlp_input: bool = False) -> int:
    """Convert a layer, which may count from the end, to a place in the residual stream.

    The n_layers + 1 places are before block 0, before block 1, .., and after the last block. A
    layer indexes them like a list: None and -1 are after all blocks; -2 is before the last block.

    Args:
        mlp_input: The place within block `layer`, between its attention and its MLP.

    Returns:
        0 to n_layers: how many blocks come before the place.

    Raises:
        LayerRangeError: the stream has no such place, or no MLP follows it (`mlp_input`).
        ArgumentTypeError: `layer` is not an int or None.
    """
    sizes = f"the stream through {n_layers} layers has {n_layers + 1} places"
    place = n_layers if layer is None else _count_from_start(layer, n_layers + 1, "layer=", sizes)
    if mlp_input and place == n_layers:
        raise LayerRangeError(
            f"mlp_input=True with layer={layer}: no MLP follows the last place of the stream. "
            f"Give a layer from 0 to {n_layers - 1}."
        )
    return place


def _count_from_start(layer: object, size: int, label: str, sizes: str) -> int:
    """Convert an index into a list of this size to one from 0 up, or raise."""
    if (index := index_of(layer)) is None:
        raise ArgumentTypeError(f"layer is an int, and not {describe(layer)}.")
    if -size <= index < size:
        return index % size
    raise LayerRangeError(
        f"{label}{shown(index)} was asked for; {sizes}. Give {-size} to {size - 1}: -1 is the last."
    )
