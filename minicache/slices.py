"""Slice one axis of a tensor by an int, a range, a list of indices or a mask: `Slice`.

`cache.decompose_resid(pos_slice=-1)` and `model.run_with_cache(..., pos_slice=(2, 5))` both pass
their argument to `Slice`. An int drops the axis, a tuple cuts a range out of it, a list or a mask
picks entries, and None leaves it whole. An input of another form raises when the slice is made. An
index that an axis does not have raises when the slice is applied to that axis. The forms are
TransformerLens's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex

import torch
from jaxtyping import Int64
from torch import Tensor

from minicache.errors import BatchSizeError, SliceError, SliceRangeError, describe, shown
from minicache.names import index_of

__all__ = ["Slice", "SliceInput", "batch_items", "only_item"]

_FORMS = (
    "Give an int, a tuple (stop,) or (start, stop) or (start, stop, step), a list or 1-d tensor of "
    "indices, a boolean mask, or None."
)

SliceInput = SupportsIndex | tuple[int | None, ...] | slice | Sequence[int] | Tensor | None


class Slice:
    """A slice of one axis, which can be applied to any tensor.

    | input                            | `mode`       | the axis afterwards                      |
    |----------------------------------|--------------|------------------------------------------|
    | `3`                              | `"int"`      | dropped: only entry 3 is left            |
    | `(5,)`, `(2, 5)`, `(2, None, 3)` | `"slice"`    | a range, as `slice(*input)` describes it |
    | `[0, 4]`, a 1-d int tensor       | `"array"`    | these entries, in this order             |
    | `[True, False]`, a bool tensor   | `"array"`    | the entries where the mask is true       |
    | `None`                           | `"identity"` | whole                                    |

    Negative indices count from the end. As in torch's own indexing, `"int"` and `"slice"` give
    views and `"array"` copies. `"identity"` gives the tensor itself.

    Raises:
        SliceError: the input is none of these.
    """

    def __init__(self, input_slice: SliceInput = None) -> None:
        self.slice: Any
        if input_slice is None:
            self.mode, self.slice = "identity", slice(None)
        elif isinstance(input_slice, tuple | slice):
            self.mode, self.slice = "slice", _read_range(input_slice)
        elif (index := index_of(input_slice)) is not None:
            self.mode, self.slice = "int", index
        else:
            self.mode, self.slice = "array", _read_array(input_slice)

    @classmethod
    def unwrap(cls, slice_input: Slice | SliceInput) -> Slice:
        """Make a `Slice` that keeps the axis: an int, unlike in `Slice(3)`, leaves it with size 1.

        `run_with_cache` does this with `pos_slice`, so that every cached activation still has a
        position axis and every analysis works on it.
        """
        positions = cls.of(slice_input)
        return cls([positions.slice]) if positions.mode == "int" else positions

    @classmethod
    def of(cls, slice_input: Slice | SliceInput) -> Slice:
        """Make a `Slice` of the input, unless it is one already."""
        return slice_input if isinstance(slice_input, Slice) else cls(slice_input)

    def apply(self, tensor: Tensor, dim: int = 0) -> Tensor:
        """Slice axis `dim` of a tensor, on the tensor's own device.

        Raises:
            SliceRangeError: the tensor has no such axis, or the axis no such index.
        """
        if not -tensor.ndim <= dim < tensor.ndim:
            raise SliceRangeError(
                f"{self} was applied to axis {dim} of a tensor that has {tensor.ndim} axes, "
                f"of shape {tuple(tensor.shape)}."
            )
        if self.mode == "identity":
            return tensor
        self._check_fits(tensor.shape[dim], dim)
        if self.mode == "int":
            return tensor.select(dim, self.slice)
        key: list[Any] = [slice(None)] * tensor.ndim
        if self.mode == "array":
            key[dim] = self.slice.to(tensor.device)
        else:
            key[dim] = slice(*self.slice.indices(tensor.shape[dim]))
        return tensor[tuple(key)]

    def indices(self, max_ctx: int | None = None) -> Int64[Tensor, " index"]:
        """List the indices that this takes of an axis of size `max_ctx`, each from 0 up.

        Raises:
            SliceError: `max_ctx` is left out, and the result depends on it.
            SliceRangeError: the axis is too short.
        """
        if max_ctx is None:
            if self.mode == "int" and self.slice >= 0:
                return torch.tensor([self.slice])
            raise SliceError(f"{self}.indices() needs the size of the axis. Give max_ctx.")
        return self.apply(torch.arange(max_ctx)).reshape(-1)

    def __repr__(self) -> str:
        if self.mode == "array":
            return f"Slice({self.slice.tolist()})"
        return f"Slice({None if self.mode == 'identity' else shown(self.slice)})"

    def _check_fits(self, size: int, dim: int) -> None:
        entries = self.slice.tolist() if self.mode == "array" else [self.slice]
        if isinstance(self.slice, Tensor) and self.slice.dtype == torch.bool:
            if len(entries) != size:
                raise SliceRangeError(
                    f"{self} is a mask of {len(entries)} for axis {dim}, which has size {size}. "
                    f"Give a mask with one entry for each index."
                )
        elif outside := [i for i in entries if self.mode != "slice" and not -size <= i < size]:
            raise SliceRangeError(
                f"Index {shown(outside[0])} is out of range for axis {dim}, which has size {size}"
                + (f": give {-size} to {size - 1}." if size else " and so no entries.")
            )


def batch_items(batch_slice: Slice | SliceInput, has_batch_dim: bool) -> Slice:
    """Make a `Slice` of the batch axis. Without a batch axis, only None fits.

    Raises:
        BatchSizeError: `batch_slice` picks items, and there is no batch axis.
    """
    items = Slice.of(batch_slice)
    if items.mode != "identity" and not has_batch_dim:
        raise BatchSizeError(
            f"{items} cannot pick items of the batch: this cache has no batch axis. "
            f"Leave batch_slice out."
        )
    return items


def only_item(name: str, tensor: Tensor) -> Tensor:
    """Drop the batch axis of an activation, which must have size 1. Returns a view.

    Raises:
        BatchSizeError: the batch axis is missing or has another size.
    """
    if tensor.ndim == 0 or tensor.shape[0] != 1:
        raise BatchSizeError(
            f"remove_batch_dim needs a batch of 1, and {name!r} has shape {tuple(tensor.shape)}. "
            f"Run one item, or take one of the cache: cache.apply_slice_to_batch_dim(0)."
        )
    return tensor[0]


def _read_range(given: tuple[int | None, ...] | slice) -> slice:
    parts = (given.start, given.stop, given.step) if isinstance(given, slice) else given
    indices = [index_of(part) for part in parts]
    ints_or_none = indices.count(None) == sum(part is None for part in parts)
    if not 1 <= len(parts) <= 3 or not ints_or_none:
        raise SliceError(f"{shown(given)} does not describe a slice. {_FORMS}")
    result = slice(*indices)
    if result.step is not None and result.step < 1:
        raise SliceError(
            f"{shown(given)} steps by {shown(result.step)}; torch slices step by 1 or more. "
            f"To reverse an axis, give the list of its indices."
        )
    return result


def _read_array(given: Any) -> Tensor:
    """Convert a list or array of indices, or a mask, to a new 1-d int64 or bool tensor (CPU)."""
    sequence = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    if not sequence and not hasattr(given, "__array__"):
        raise SliceError(f"{describe(given)} does not describe a slice. {_FORMS}")
    kinds = {type(entry) for entry in given} if sequence else set()
    if hasattr(given, "__array__") and not isinstance(given, Tensor):
        given = given.__array__().copy()  # torch refuses numpy's negative strides
    try:
        array = torch.as_tensor(given).detach().to("cpu", copy=True)
    except (TypeError, ValueError, RuntimeError):
        raise SliceError(f"{shown(given)} is not a list of indices. {_FORMS}") from None
    if array.ndim == 1 and array.numel() == 0:
        return array.long()
    mixed = bool in kinds and len(kinds) > 1
    if array.ndim != 1 or mixed or array.is_floating_point() or array.is_complex():
        raise SliceError(f"{shown(given)} is not a flat list of ints, nor one of bools. {_FORMS}")
    return array if array.dtype == torch.bool else array.long()
