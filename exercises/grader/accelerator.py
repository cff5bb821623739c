"""A simulated accelerator: a torch device of its own, `accel`, for machines without a GPU.

Its tensors compute on the CPU and say that they live on `accel`. They refuse to meet CPU tensors
where CUDA's refuse, so code that assumes a device fails here as it would there. As on CUDA, a CPU
tensor of no axes may take part in what works entry by entry, and CPU indices may index.

Autocast and nested tensors are not simulated: torch has no rules for them on such a device.

It is built on torch's own door for such things: PrivateUse1 as a Python backend, and
`__torch_dispatch__`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

__all__ = ["AccelTensor", "accelerator"]

COPIES = {"copy_", "_copy_from", "_to_copy"}  # between devices: any
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}  # by indices on the CPU
FILLING = {"fill_", "masked_fill", "masked_fill_", *INDEXING}  # with a CPU tensor of no axes


class AccelTensor(torch.Tensor):
    """A tensor on `accel`. `raw` is the CPU tensor that it stands for."""

    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> AccelTensor:
        with torch.inference_mode(raw.is_inference()):  # a view is what its base is
            made = torch.Tensor._make_wrapper_subclass(
                cls,
                raw.shape,
                strides=raw.stride(),
                storage_offset=raw.storage_offset(),
                dtype=raw.dtype,
                device=torch.device("accel", 0),
            )
        made.raw = raw
        return made

    def __init__(self, raw: torch.Tensor) -> None:
        """All is done in `__new__`."""

    def untyped_storage(self) -> torch.UntypedStorage:
        """The memory that it stands for: views share it, as they do on any device."""
        return self.raw.untyped_storage()

    def tolist(self) -> Any:
        """As on any device, by way of the CPU."""
        return self.raw.tolist()

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"{self.raw!r} on accel"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = func.overloadpacket.__name__
        _refuse_to_mix(func, name, args, kwargs)
        home = kwargs.get("device")
        to_cpu = home is not None and torch.device(home).type == "cpu"
        if home is not None:
            kwargs["device"] = "cpu"
        ours = {id(leaf.raw): leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, cls)}
        raw_args, raw_kwargs = tree_map(_unwrapped, (args, kwargs))
        result = func(*raw_args, **raw_kwargs)
        if to_cpu or (name == "copy_" and not isinstance(args[0], cls)):
            return args[0] if name == "copy_" else result

        def wrapped(leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor):
                return leaf
            return ours[id(leaf)] if id(leaf) in ours else cls(leaf)  # in place: its own tensor

        return tree_map(wrapped, result)


def _unwrapped(leaf: Any) -> Any:
    return leaf.raw if isinstance(leaf, AccelTensor) else leaf


def _refuse_to_mix(func: Any, name: str, args: Any, kwargs: Any) -> None:
    if name in INDEXING:
        args = (args[0], *args[2:])  # the indices, args[1], may be anywhere
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    foreign = [tensor for tensor in tensors if not isinstance(tensor, AccelTensor)]
    into_foreign = name.endswith("_") and bool(tensors) and tensors[0] is (foreign or [None])[0]
    if (torch.Tag.pointwise in func.tags or name in FILLING) and not into_foreign:
        foreign = [tensor for tensor in foreign if tensor.ndim > 0]
    if foreign and len(foreign) < len(tensors) and name not in COPIES:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"accel:0 and {foreign[0].device}!"
        )


@cache
def accelerator() -> torch.device:
    """The device. The first call sets it up, for the whole process.

    For gradients on it, call this before the first backward: autograd counts its devices then.
    """
    _setup_privateuseone_for_python_backend("accel")
    library = torch.library.Library("aten", "IMPL")

    def empty(size: Any, *, dtype: Any = None, **_: Any) -> AccelTensor:
        return AccelTensor(torch.empty(size, dtype=dtype))

    def empty_strided(size: Any, stride: Any, *, dtype: Any = None, **_: Any) -> AccelTensor:
        return AccelTensor(torch.empty_strided(size, stride, dtype=dtype))

    def arange(*range_: Any, dtype: Any = None, **_: Any) -> AccelTensor:
        return AccelTensor(torch.arange(*range_, dtype=dtype))

    def copy_from(source: Any, target: Any, non_blocking: bool = False) -> Any:
        _unwrapped(target).copy_(_unwrapped(source))
        return target

    library.impl("_copy_from", copy_from, "PrivateUse1")
    for overload in ("arange", "arange.start", "arange.start_step"):
        library.impl(overload, arange, "PrivateUse1")
    library.impl("empty.memory_format", empty, "PrivateUse1")
    library.impl("empty_strided", empty_strided, "PrivateUse1")
    _kept.append(library)  # what it registered goes when it goes
    return torch.device("accel", 0)


_kept: list[torch.library.Library] = []
