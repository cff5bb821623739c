"""Store the activations of one run, and find each under any spelling of its name.

An `ActivationCache` is a read-only mapping. It holds references to activations, and finds them by
full name, shorthand or tuple. When it cannot, its error says why. The analyses are functions of a
cache in `analysis/`; the class binds them as methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minicache import autodiff
from minicache.analysis import attribution, components, residual
from minicache.analysis.protocols import Model
from minicache.devices import usable_device
from minicache.errors import (
    AddressTypeError,
    ArgumentTypeError,
    ArgumentValueError,
    MissingActivationError,
    UnknownActivationError,
    describe,
    logger,
    nearest,
    shown,
)
from minicache.names import block_layer, get_act_name, index_of, split_act_name, stream_place
from minicache.shared_memory import storages
from minicache.slices import Slice, SliceInput, batch_items, only_item

__all__ = ["ActivationCache"]


class ActivationCache(Mapping[Any, Tensor]):
    """The activations of one run of a model. `model.run_with_cache` makes one.

    Entries are references, not copies: each shares its memory with the tensor that the model
    computed. Where the model passes a tensor on unchanged, several entries share one memory.

    `names.AXES` has the axes of each entry after the batch axis.

    Args:
        cache_dict: Activations by full name. The dictionary is copied, the tensors are not.
        model: The model that was run. The cache never moves or changes it.
        has_batch_dim: Whether the first axis of each activation is the batch.
    """

    def __init__(
        self, cache_dict: Mapping[str, Tensor], model: Model, has_batch_dim: bool = True
    ) -> None:
        self.cache_dict = dict(cache_dict)
        self.model = model
        self.has_batch_dim = has_batch_dim

    # Look up an entry under any spelling of its name.

    def __getitem__(self, address: object) -> Tensor:
        """Return the activation that an address names.

        Args:
            address: A full name, a shorthand (`"q3"`), or a tuple (name, layer, layer_type) whose
                layer may count from the end.

        Raises:
            UnknownActivationError: the model has no such activation (a `KeyError`).
            MissingActivationError: the model has it, but this run did not keep it (a `KeyError`).
            LayerRangeError: the model has no such layer (an `IndexError`).
            AddressTypeError: `address` is neither a name nor a tuple of one (a `TypeError`).
        """
        if isinstance(address, str) and address in self.cache_dict:  # a full name: no parsing
            return self.cache_dict[address]
        name = self._full_name(address)
        if name in self.cache_dict:
            return self.cache_dict[name]
        raise self._explain_missing(address, name)

    def __contains__(self, address: object) -> bool:
        """Return whether `cache[address]` gives an activation. Never raises."""
        try:
            self[address]
        except (LookupError, TypeError):
            return False
        return True

    def get(self, address: object, default: Any = None) -> Any:
        """Return `cache[address]`, or `default` where that would raise."""
        return self[address] if address in self else default  # noqa: SIM401  # that is this method

    def __iter__(self) -> Iterator[str]:
        return iter(self.cache_dict)

    def __len__(self) -> int:
        return len(self.cache_dict)

    # Mapping's == compares all entries, and == of tensors is no bool. Caches compare by identity.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        if not self.cache_dict:
            return "ActivationCache(empty)"
        first = next(iter(self.values()))
        batch = f"batch {first.shape[0]}" if self.has_batch_dim else "no batch axis"
        states = [state for name, state in self.items() if name.endswith("resid_pre")]
        positions = f", {states[0].shape[-2]} positions" if states else ""
        size = sum(storage.nbytes() for storage in storages(self.values()).values())
        devices = ", ".join(sorted({str(tensor.device) for tensor in self.values()}))
        return (
            f"ActivationCache({len(self)} activations, {batch}{positions}, "
            f"{size / 1e6:.2f} MB, {devices})"
        )

    # The batch axis, the device, the dtype.

    def remove_batch_dim(self) -> ActivationCache:
        """Drop the batch axis, which must have size 1, from every entry of this cache.

        Raises:
            BatchSizeError: the batch of an entry has another size. The cache is unchanged then.
        """
        if not self.has_batch_dim:
            logger.warning("remove_batch_dim: this cache has no batch axis any more.")
            return self
        self.cache_dict = {name: only_item(name, tensor) for name, tensor in self.items()}
        self.has_batch_dim = False
        return self

    def apply_slice_to_batch_dim(self, batch_slice: Slice | SliceInput) -> ActivationCache:
        """Make a new cache of the picked items of the batch. An int picks one and drops the axis.

        Raises:
            BatchSizeError: this cache has no batch axis.
            SliceRangeError: the batch has no such item.
        """
        items = batch_items(batch_slice, self.has_batch_dim)
        entries = {name: items.apply(tensor, dim=0) for name, tensor in self.items()}
        return ActivationCache(entries, self.model, self.has_batch_dim and items.mode != "int")

    def to(self, device_or_dtype: torch.device | str | torch.dtype) -> ActivationCache:
        """Move every entry of this cache to a device, or convert it to another floating dtype.

        The model stays where it is. An entry that has the device or dtype already is not copied.

        Raises:
            ArgumentTypeError: the argument is neither a device nor a floating dtype.
            ArgumentValueError: this machine has no such device, or it keeps no data (`meta`). The
                cache is unchanged then.
        """
        if not isinstance(device_or_dtype, torch.dtype):
            usable_device(device_or_dtype)
            if any(tensor.is_meta for tensor in self.values()):
                raise ArgumentValueError("Activations on the device 'meta' hold no data to move.")
        elif not device_or_dtype.is_floating_point:
            raise ArgumentTypeError(
                f"{device_or_dtype} cannot hold activations. Give a floating dtype, or a device."
            )
        self.cache_dict = {name: tensor.to(device_or_dtype) for name, tensor in self.items()}
        return self

    def toggle_autodiff(self, mode: bool = False) -> None:
        """Turn autodiff on or off for all code in this thread: `autodiff.toggle_autodiff`."""
        autodiff.toggle_autodiff(mode)

    def stack_activation(
        self, activation_name: str, layer: int | None = -1, sublayer_type: str | None = None
    ) -> Float[Tensor, "layer *shape"]:
        """Stack one activation of every block before a place, in new memory.

        Args:
            activation_name: As in an address: `"q"`, `"pattern"`.
            layer: Blocks before this place (see `names.stream_place`); None and -1 mean all.
            sublayer_type: As in an address: `"ln1"`.

        Returns:
            [layer, ..]. The layer axis has size 0 if no block comes before the place.

        Raises:
            LayerRangeError: no such place.
        """
        place = stream_place(layer, self.model.cfg.n_layers)
        blocks = range(place or 1)  # at place 0, block 0 gives the shape of the empty stack
        rows = [self[activation_name, block, sublayer_type] for block in blocks]
        return torch.stack(rows)[:place]

    # The analyses, each documented in its module.

    accumulated_resid = residual.accumulated_resid
    decompose_resid = residual.decompose_resid
    apply_ln_to_stack = residual.apply_ln_to_stack
    stack_head_results = components.stack_head_results
    get_neuron_results = components.get_neuron_results
    stack_neuron_results = components.stack_neuron_results
    get_full_resid_decomposition = components.get_full_resid_decomposition
    logit_attrs = attribution.logit_attrs
    logit_constant = attribution.logit_constant
    head_logit_attrs = attribution.head_logit_attrs
    neuron_logit_attrs = attribution.neuron_logit_attrs

    def _full_name(self, address: object) -> str:
        """Resolve any spelling of an address to a full name. Its layer may count from the end."""
        parts = address if isinstance(address, tuple) else (address,)
        if not 1 <= len(parts) <= 3 or not isinstance(address, str | tuple):
            raise AddressTypeError(
                f"{describe(address)} is no address. Give a name such as 'q3' or "
                f"'blocks.3.attn.hook_q', or a tuple (name, layer, layer_type)."
            )
        name, layer, layer_type = (*parts, None, None)[:3]
        if (index := index_of(layer)) is not None:
            layer = block_layer(index, self.model.cfg.n_layers)
        try:
            return get_act_name(name, layer, layer_type)
        except UnknownActivationError as error:
            raise UnknownActivationError(f"cache[{shown(address)}]: {error}") from None

    def _explain_missing(self, address: object, name: str) -> Exception:
        """Make the error for a missing entry: no such layer, no such activation, or not kept."""
        layer, _ = split_act_name(name)
        if layer is not None:
            block_layer(layer, self.model.cfg.n_layers)
        plain = name.removesuffix("_grad")
        if plain not in self.model.hook_dict:
            near = nearest(name, self.model.hook_dict)
            return UnknownActivationError(
                f"cache[{shown(address)}]: this model has no activation {shown(name)}.{near}"
            )
        if plain != name:
            return MissingActivationError(
                f"cache[{shown(address)}]: no gradient was kept. Run with incl_bwd=True and "
                f"return_type='loss', and with {plain!r} in names_filter."
            )
        return MissingActivationError(
            f"cache[{shown(address)}]: {name!r} was not kept on this run, which kept {len(self)} "
            f"of {len(self.model.hook_dict)} activations. Run again with it in names_filter."
        )
