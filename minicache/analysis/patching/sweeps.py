"""Activation patching: put one activation of a clean run into a corrupted one, and measure.

A sweep does so for every layer and position, or head, in turn: what brings the clean answer back
carries what the two inputs differ in. The functions and their arguments are those of
`transformer_lens.patching`; the method is Meng et al.'s causal tracing [2022] with the corrupted
run of a second prompt [Wang et al. 2022].

Every sweep is `generic_activation_patch` with a name, a setter and axes: one table, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any, Literal, TypeAlias, overload

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minicache.analysis.patching.runs import (
    Base,
    Metric,
    Patchable,
    batches,
    check_token_tensor,
    measure,
    shown,
)
from minicache.analysis.protocols import Cached
from minicache.errors import BatchSizeError, ConfigError, HookError
from minicache.names import axes_of, block_layer, get_act_name, index_of

__all__ = [
    "generic_activation_patch",
    "get_act_patch_attn_head_k_all_pos",
    "get_act_patch_attn_head_k_by_pos",
    "get_act_patch_attn_head_out_all_pos",
    "get_act_patch_attn_head_out_by_pos",
    "get_act_patch_attn_head_pattern_all_pos",
    "get_act_patch_attn_head_pattern_by_pos",
    "get_act_patch_attn_head_pattern_dest_src_pos",
    "get_act_patch_attn_head_q_all_pos",
    "get_act_patch_attn_head_q_by_pos",
    "get_act_patch_attn_head_v_all_pos",
    "get_act_patch_attn_head_v_by_pos",
    "get_act_patch_attn_out",
    "get_act_patch_mlp_out",
    "get_act_patch_resid_mid",
    "get_act_patch_resid_pre",
    "layer_head_dest_src_pos_pattern_patch_setter",
    "layer_head_pattern_patch_setter",
    "layer_head_pos_pattern_patch_setter",
    "layer_head_vector_patch_setter",
    "layer_pos_head_vector_patch_setter",
    "layer_pos_patch_setter",
]

Index: TypeAlias = tuple[int, ...]
PatchSetter: TypeAlias = Callable[[Tensor, Index, Tensor], Tensor | None]
"""Called with one copy's activation, the patch's index, and the clean activation."""


@overload
def generic_activation_patch(
    model: Patchable,
    corrupted_tokens: Int[Tensor, "batch pos"],
    clean_cache: Cached,
    patching_metric: Metric,
    patch_setter: PatchSetter,
    activation_name: str,
    index_axis_names: Sequence[str] | None = None,
    index_df: Any = None,
    return_index_df: Literal[False] = False,
    *,
    batch_size: int | None = None,
    progress: bool = False,
) -> Float[Tensor, "*index"]: ...


@overload
def generic_activation_patch(
    model: Patchable,
    corrupted_tokens: Int[Tensor, "batch pos"],
    clean_cache: Cached,
    patching_metric: Metric,
    patch_setter: PatchSetter,
    activation_name: str,
    index_axis_names: Sequence[str] | None = None,
    index_df: Any = None,
    *,
    return_index_df: Literal[True],
    batch_size: int | None = None,
    progress: bool = False,
) -> tuple[Float[Tensor, "*index"], list[Index]]: ...


def generic_activation_patch(
    model: Patchable,
    corrupted_tokens: Int[Tensor, "batch pos"],
    clean_cache: Cached,
    patching_metric: Metric,
    patch_setter: PatchSetter,
    activation_name: str,
    index_axis_names: Sequence[str] | None = None,
    index_df: Any = None,
    return_index_df: bool = False,
    *,
    batch_size: int | None = None,
    progress: bool = False,
) -> Float[Tensor, "*index"] | tuple[Float[Tensor, "*index"], list[Index]]:
    """The metric of the corrupted run with each of many patches, one at a time.

    A run starts from the stream at the patched layer, if the model can, and patches of one layer
    share a batch; the metric sees the logits of one patch at a time, for the whole original batch.
    No gradients are kept. Other hooks of the model stay on; one that tells rows of the batch apart
    needs `batch_size=1`.

    Args:
        corrupted_tokens: What the patched runs read.
        clean_cache: Where patches come from: a run of other tokens of the same shape.
        patching_metric: From logits [batch, pos, d_vocab] to one number.
        patch_setter: Called as `setter(activation, index, clean_activation)` with the corrupted
            activation of the original batch. It may write into it, or return another.
        activation_name: Which activation, as `get_act_name` takes it with a layer: `"z"`.
        index_axis_names: What to count over: `layer` first, then of `pos`, `head` (or
            `head_index`), `dest_pos`, `src_pos`.
        index_df: Or the indices themselves, each starting with its layer: a list of tuples, a
            tensor [patch, index], or a pandas DataFrame. The result is flat then.
        return_index_df: Also return the indices, as a list of tuples. pandas is not needed.
        batch_size: How many rows (prompts times patches) to run at once, at least one patch. This
            bounds the memory. None takes as many as have 1,024 tokens together.
        progress: Show a progress bar.

    Returns:
        The metric for each patch, shaped like the axes, or flat; in float32, or the metric's
        dtype if that is wider.

    Raises:
        ConfigError: axes or indices do not fit, both or none are given, or the metric gives more
            than one number.
        LayerRangeError: an index has no such layer.
        UnknownActivationError: the model has no such activation.
        MissingActivationError: the clean run did not keep it.
        BatchSizeError: the clean run has other shapes than the corrupted one.
    """
    tokens = check_token_tensor(corrupted_tokens)
    if (index_df is None) == (index_axis_names is None):
        raise ConfigError("Give index_axis_names or index_df: one of them, and not both.")
    if index_axis_names is not None:
        sizes = index_sizes(model, tokens, clean_cache, activation_name, index_axis_names)
        indices = list(product(*map(range, sizes)))
    else:
        indices = _listed(index_df)
        sizes = [len(indices)]
    layers = [block_layer(index[0], model.cfg.n_layers) for index in indices]
    names = {layer: get_act_name(activation_name, layer) for layer in set(layers)}
    clean = {layer: clean_cache[name] for layer, name in names.items()}
    batch, plan = len(tokens), batches(layers, tokens, batch_size)
    values: dict[int, Tensor] = {}
    with torch.no_grad():
        base = Base.record(model, tokens, names)
        for layer, picked in shown(plan, f"patching {activation_name}", progress):

            def patch(
                activation: Tensor,
                hook: object,
                picked: list[int] = picked,
                source: Tensor = clean[layer],
            ) -> Tensor:
                patched = activation.clone()  # hooks before this one may have kept it
                for index, copy in zip(picked, torch.split(patched, batch), strict=True):
                    replace(copy, patch_setter(copy, indices[index], source))
                return patched

            logits = base.run(layer, len(picked), [(names[layer], patch)])
            for index, one in zip(picked, torch.split(logits, batch), strict=True):
                values[index] = measure(patching_metric, one)
            del logits  # before the next ones are made
    result = torch.stack([values[index] for index in range(len(indices))]).reshape(sizes)
    return (result, indices) if return_index_df else result


def index_sizes(
    model: Patchable,
    tokens: Int[Tensor, "batch pos"],
    clean_cache: Cached,
    activation_name: str,
    axes: Sequence[str],
) -> list[int]:
    """How far each axis of a sweep counts."""
    name, pos = get_act_name(activation_name, 0), tokens.shape[1]
    own = axes_of(name)
    # With grouped-query attention keys and values have fewer heads than the model.
    heads = clean_cache[name].shape[own.index("head") - len(own)] if "head" in own else None
    heads = heads or model.cfg.n_heads
    sizes = {"layer": model.cfg.n_layers, "head_index": heads, "head": heads}
    sizes |= dict.fromkeys(("pos", "dest_pos", "src_pos"), pos)
    if isinstance(axes, str) or list(axes)[:1] != ["layer"] or not set(axes) <= set(sizes):
        raise ConfigError(
            f"index_axis_names={axes!r}: a list of names that starts with 'layer', of "
            f"{', '.join(sizes)}."
        )
    return [sizes[axis] for axis in axes]


def _listed(index_df: Any) -> list[Index]:
    rows = index_df.to_numpy() if hasattr(index_df, "to_numpy") else index_df  # a DataFrame
    rows = rows.tolist() if hasattr(rows, "tolist") else rows
    indices = [tuple(_whole(entry) for entry in row) for row in rows]
    if not indices or () in indices:
        raise ConfigError("index_df needs at least one index, and each starts with its layer.")
    return indices


def _whole(entry: object) -> int:
    index = index_of(entry)
    if index is None:
        raise ConfigError(f"index_df holds {entry!r}. An index is whole numbers, its layer first.")
    return index


def replace(activation: Tensor, patched: object) -> None:
    """Write what a setter gave into the activation, unless it did so itself."""
    if patched is None or patched is activation:
        return
    if not isinstance(patched, Tensor) or patched.shape != activation.shape:
        given = tuple(patched.shape) if isinstance(patched, Tensor) else type(patched).__name__
        raise HookError(
            f"patch_setter returned {given}. Return an activation of the shape that it was given, "
            f"{tuple(activation.shape)}, or None."
        )
    activation.copy_(patched)


def _setter(first: int, doc: str) -> PatchSetter:
    """A setter whose index, after the layer, counts along neighbouring axes from `first` on."""
    count = doc.count(",")

    def setter(corrupted_activation: Tensor, index: Index, clean_activation: Tensor) -> Tensor:
        check_same_shape(corrupted_activation, clean_activation)
        if len(index) != count + 1:
            raise ConfigError(f"This setter's index is {doc}, and not {index!r}.")
        place = (slice(None),) * first + tuple(index[1:])
        corrupted_activation[place] = clean_activation[place]
        return corrupted_activation

    setter.__doc__ = f"Put the clean activation in at index {doc}."
    return setter


def check_same_shape(corrupted: Tensor, clean: Tensor) -> None:
    """Raise unless an activation of the clean run fits the corrupted one."""
    if corrupted.shape != clean.shape:
        raise BatchSizeError(
            f"The clean activation has shape {tuple(clean.shape)}, and the corrupted one "
            f"{tuple(corrupted.shape)}. Give both runs as many prompts of the same length, and "
            f"leave the cache its batch axis."
        )


layer_pos_patch_setter = _setter(1, "(layer, pos)")
layer_pos_head_vector_patch_setter = _setter(1, "(layer, pos, head)")
layer_head_vector_patch_setter = _setter(2, "(layer, head)")
layer_head_pattern_patch_setter = _setter(1, "(layer, head)")
layer_head_pos_pattern_patch_setter = _setter(1, "(layer, head, dest_pos)")
layer_head_dest_src_pos_pattern_patch_setter = _setter(1, "(layer, head, dest_pos, src_pos)")


def _sweep(activation_name: str, patch_setter: PatchSetter, axes: str) -> partial[Tensor]:
    sweep = partial(
        generic_activation_patch,
        patch_setter=patch_setter,
        activation_name=activation_name,
        index_axis_names=tuple(axes.split()),
    )
    sweep.__doc__ = f"Patch {activation_name}, and give [{axes}]. See `generic_activation_patch`."
    return sweep


_BY_POS, _ALL_POS = layer_pos_head_vector_patch_setter, layer_head_vector_patch_setter

get_act_patch_resid_pre = _sweep("resid_pre", layer_pos_patch_setter, "layer pos")
get_act_patch_resid_mid = _sweep("resid_mid", layer_pos_patch_setter, "layer pos")
get_act_patch_attn_out = _sweep("attn_out", layer_pos_patch_setter, "layer pos")
get_act_patch_mlp_out = _sweep("mlp_out", layer_pos_patch_setter, "layer pos")

get_act_patch_attn_head_out_by_pos = _sweep("z", _BY_POS, "layer pos head")
get_act_patch_attn_head_q_by_pos = _sweep("q", _BY_POS, "layer pos head")
get_act_patch_attn_head_k_by_pos = _sweep("k", _BY_POS, "layer pos head")
get_act_patch_attn_head_v_by_pos = _sweep("v", _BY_POS, "layer pos head")

get_act_patch_attn_head_out_all_pos = _sweep("z", _ALL_POS, "layer head")
get_act_patch_attn_head_q_all_pos = _sweep("q", _ALL_POS, "layer head")
get_act_patch_attn_head_k_all_pos = _sweep("k", _ALL_POS, "layer head")
get_act_patch_attn_head_v_all_pos = _sweep("v", _ALL_POS, "layer head")

get_act_patch_attn_head_pattern_all_pos = _sweep(
    "pattern", layer_head_pattern_patch_setter, "layer head_index"
)
get_act_patch_attn_head_pattern_by_pos = _sweep(
    "pattern", layer_head_pos_pattern_patch_setter, "layer head_index dest_pos"
)
get_act_patch_attn_head_pattern_dest_src_pos = _sweep(
    "pattern", layer_head_dest_src_pos_pattern_patch_setter, "layer head_index dest_pos src_pos"
)
