"""Name a model's hook points, attach hooks by name, cache activations: `HookedRootModule`.

Hooks that are attached for one run are removed after it, also when the run raises. Any module that
has hook points can be a `HookedRootModule`. The interface is TransformerLens's. Lessons 2 and 3
walk through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from minicache.devices import usable_device
from minicache.errors import (
    GradientError,
    HookError,
    UnknownActivationError,
    describe,
    logger,
    nearest,
    shown,
)
from minicache.hooks.point import (
    OPEN_BLOCKS,
    Attached,
    Direction,
    HookFunction,
    HookPoint,
    check_hook,
)
from minicache.names import pos_axis
from minicache.slices import Slice, SliceInput, only_item

__all__ = ["HookFunction", "HookPoint", "HookedRootModule", "NamesFilter"]

NamePredicate: TypeAlias = Callable[[str], bool]
NamesFilter: TypeAlias = str | Sequence[str] | NamePredicate | None
NamedHooks: TypeAlias = Sequence[tuple[str | NamePredicate, HookFunction]]


class HookedRootModule(nn.Module):
    """A module whose hook points have names. Subclass it, and end `__init__` with `self.setup()`.

    Examples:
        >>> class Doubler(HookedRootModule):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hook_doubled = HookPoint()
        ...         self.setup()
        ...
        ...     def forward(self, x):
        ...         return self.hook_doubled(2 * x) + 1
        >>> Doubler().run_with_cache(torch.tensor([1.0]))
        (tensor([3.]), {'hook_doubled': tensor([2.])})
    """

    mod_dict: dict[str, nn.Module]
    hook_dict: dict[str, HookPoint]

    def setup(self) -> None:
        """Set every hook point's name to its path in the model; fill `mod_dict` and `hook_dict`."""
        self.mod_dict = {name: module for name, module in self.named_modules() if name}
        self.hook_dict = {n: m for n, m in self.mod_dict.items() if isinstance(m, HookPoint)}
        for name, point in self.hook_dict.items():
            point.name = name

    def hook_points(self) -> Iterable[HookPoint]:
        """Return every hook point of the model, in the model's order."""
        return [self.hook_dict[name] for name in self._filter_names(None)]

    def add_hook(
        self,
        name: str | NamePredicate,
        hook: HookFunction,
        dir: Direction = "fwd",
        is_permanent: bool = False,
        prepend: bool = False,
    ) -> None:
        """Attach `hook` to the hook point of this name, or to all whose name satisfies a predicate.

        See `HookPoint.add_hook`. The hook belongs to the model, and acts in every thread. If this
        raises, no hook has been attached.

        Raises:
            UnknownActivationError: no hook point has this name.
            HookError: `hook` cannot be called, or `name` is neither a string nor a function.
            ArgumentValueError: `dir` is neither `"fwd"` nor `"bwd"`.
        """
        check_hook(hook, dir)
        for point in self._find_points(name):
            point.add_hook(hook, dir, is_permanent, prepend)

    def add_perma_hook(
        self, name: str | NamePredicate, hook: HookFunction, dir: Direction = "fwd"
    ) -> None:
        """Attach a hook that stays when `reset_hooks` removes the others."""
        self.add_hook(name, hook, dir, is_permanent=True)

    def reset_hooks(
        self,
        clear_contexts: bool = True,
        direction: Literal["fwd", "bwd", "both"] = "both",
        including_permanent: bool = False,
    ) -> None:
        """Remove all hooks, and empty every `ctx`. Permanent hooks stay unless included.

        Hooks that a `with model.hooks(..)` block of another thread attached stay.
        """
        for point in self.hook_points():
            point.remove_hooks(direction, including_permanent)
            if clear_contexts:
                point.ctx.clear()

    @contextmanager
    def hooks(
        self,
        fwd_hooks: NamedHooks = (),
        bwd_hooks: NamedHooks = (),
        reset_hooks_end: bool = True,
        clear_contexts: bool = False,
    ) -> Iterator[HookedRootModule]:
        """Attach hooks for the length of a `with` block.

        They act on what this thread (or this asyncio task) runs in the block, and not on what
        others run at the same time. When the block ends, also by an exception, these hooks are
        removed. Hooks from before the block, and hooks that code in the block adds, stay.

        Args:
            fwd_hooks: Pairs (name or predicate, hook) for activations.
            bwd_hooks: The same for gradients. Run the model and call `backward` inside the block;
                if none of these hooks was called, a warning says so.
            reset_hooks_end: False keeps the hooks after the block. They then belong to the model.
            clear_contexts: Also empty every `ctx` at the end of the block.

        Raises:
            UnknownActivationError: a name is unknown. No hook has been attached then.
            HookError: a hook cannot be called, or the hooks are no list of pairs.
        """
        plan = [*self._plan(fwd_hooks, "fwd"), *self._plan(bwd_hooks, "bwd")]
        attached: list[tuple[HookPoint, Attached, Direction]] = []
        block = object()
        OPEN_BLOCKS.set(OPEN_BLOCKS.get() | {block})
        try:
            for point, hook, dir in plan:
                attached.append((point, point.attach(hook, dir, False, False, block), dir))
            yield self
            backward = [handle.was_called for _, handle, dir in attached if dir == "bwd"]
            if reset_hooks_end and backward and not any(backward):
                logger.warning(
                    "The backward hooks are removed now, and none of them was called. Run the "
                    "model and call backward inside one `with model.hooks(bwd_hooks=...)`, or give "
                    "reset_hooks_end=False."
                )
        finally:
            # No ContextVar.reset: it would bring back a block that has ended in between.
            OPEN_BLOCKS.set(OPEN_BLOCKS.get() - {block})
            for point, handle, _ in attached:
                if reset_hooks_end:
                    point.detach(handle)
                else:
                    handle.block = None
            if clear_contexts:
                for point in self.hook_points():
                    point.ctx.clear()

    def run_with_hooks(
        self,
        *model_args: Any,
        fwd_hooks: NamedHooks = (),
        bwd_hooks: NamedHooks = (),
        reset_hooks_end: bool = True,
        clear_contexts: bool = False,
        **model_kwargs: Any,
    ) -> Any:
        """Run the model with hooks attached for this one run, and return its output. See `hooks`.

        Backward hooks must still be attached when `backward` is called. For them, use
        `with model.hooks(..)`, or `reset_hooks_end=False`.
        """
        with self.hooks(fwd_hooks, bwd_hooks, reset_hooks_end, clear_contexts):
            return self(*model_args, **model_kwargs)

    def get_caching_hooks(
        self,
        names_filter: NamesFilter = None,
        incl_bwd: bool = False,
        device: torch.device | str | None = None,
        remove_batch_dim: bool = False,
        cache: dict[str, Tensor] | None = None,
        pos_slice: Slice | SliceInput = None,
    ) -> tuple[dict[str, Tensor], NamedHooks, NamedHooks]:
        """Make hooks that fill a dictionary, without attaching them.

        Each entry is the activation, detached from the graph: a reference and no copy, unless
        `device` moves it or `pos_slice` is a list. So a later change of the activation in place
        also changes the entry. The gradient of an activation is stored as `NAME_grad`.

        Args:
            names_filter: What to keep: a full name, a list of them, a predicate, or None for all.
            device: Where to keep it. None keeps each activation on its own device.
            remove_batch_dim: Drop the first axis, which must have size 1.
            cache: The dictionary to fill. None makes a new one.
            pos_slice: Which positions to keep. An int keeps the axis, with size 1.

        Returns:
            (cache, fwd_hooks, bwd_hooks): the last two as `hooks` takes them.

        Raises:
            UnknownActivationError: `names_filter` has a name that no hook point has.
            HookError: `names_filter` is of another type.
            ArgumentTypeError: `device` is no device.
            ArgumentValueError: this machine has no such device, or it stores no values.
        """
        store = {} if cache is None else cache
        positions = Slice.unwrap(pos_slice)
        target = None if device is None else usable_device(device)

        def keep(tensor: Tensor, hook: HookPoint, suffix: str = "") -> None:
            name, kept = hook.name or "", tensor.detach()
            if target is not None:
                kept = kept.to(target)
            if remove_batch_dim:
                kept = only_item(name, kept)
            axis = pos_axis(name)
            if positions.mode != "identity" and kept.ndim >= -axis:
                kept = positions.apply(kept, dim=axis)
            store[f"{name}{suffix}"] = kept

        def keep_grad(tensor: Tensor, hook: HookPoint) -> None:
            keep(tensor, hook, "_grad")

        names = self._filter_names(names_filter)
        if not names:
            logger.warning("names_filter matches no hook point, so the cache will be empty.")
        fwd_hooks = [(name, keep) for name in names]
        return store, fwd_hooks, [(name, keep_grad) for name in names] if incl_bwd else []

    def run_with_cache(
        self,
        *model_args: Any,
        names_filter: NamesFilter = None,
        device: torch.device | str | None = None,
        remove_batch_dim: bool = False,
        incl_bwd: bool = False,
        reset_hooks_end: bool = True,
        clear_contexts: bool = False,
        pos_slice: Slice | SliceInput = None,
        **model_kwargs: Any,
    ) -> tuple[Any, Any]:
        """Run the model, and return its output and a dictionary of the run's activations.

        Caching does not change the output: it is the same, bit for bit. The caching hooks run after
        the hooks that are already attached, so they store what those return. See
        `get_caching_hooks` for the other arguments.

        Args:
            incl_bwd: Also call `backward` on the output, a scalar, and cache the gradients.

        Raises:
            GradientError: `incl_bwd`, and the output is no scalar or has no autograd graph.
            BatchSizeError: `remove_batch_dim` with a batch of more than 1.
        """
        cache, fwd_hooks, bwd_hooks = self.get_caching_hooks(
            names_filter, incl_bwd, device, remove_batch_dim, pos_slice=pos_slice
        )
        with self.hooks(fwd_hooks, bwd_hooks, reset_hooks_end, clear_contexts):
            model_out = self(*model_args, **model_kwargs)
            if incl_bwd:
                self._check_can_backward(model_out)
                model_out.backward()
        return model_out, cache

    def _plan(
        self, named_hooks: NamedHooks, dir: Direction
    ) -> Iterator[tuple[HookPoint, HookFunction, Direction]]:
        """Check pairs of name and hook, and yield each hook point with the hook to attach to it."""
        is_list = isinstance(named_hooks, Iterable) and not isinstance(named_hooks, str | Mapping)
        pairs: Iterable[Any] = named_hooks if is_list else [named_hooks]
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise HookError(
                    f"{dir}_hooks is a list of pairs (name or predicate, hook), and "
                    f"{describe(pair)} is no such pair."
                )
            name, hook = pair
            check_hook(hook, dir)
            for point in self._find_points(name):
                yield point, hook, dir

    def _find_points(self, name: str | NamePredicate) -> list[HookPoint]:
        if not isinstance(name, str) and not callable(name):
            raise HookError(
                f"A hook is attached by a name or a function of a name, not by {describe(name)}."
            )
        names = self._filter_names(name)
        if not names:
            logger.warning("%r matches no hook point, so its hook is not attached.", name)
        return [self.hook_dict[name] for name in names]

    def _filter_names(self, names_filter: NamesFilter) -> list[str]:
        """List the names that a filter picks, in the model's order. A given name must exist."""
        if "hook_dict" not in self.__dict__:
            raise HookError(
                f"{type(self).__name__} has not named its hook points. "
                f"Call self.setup() at the end of its __init__."
            )
        if names_filter is None:
            return list(self.hook_dict)
        if callable(names_filter):
            return [name for name in self.hook_dict if names_filter(name)]
        if not isinstance(names_filter, str | Sequence):
            raise HookError(
                f"names_filter is a name, a list of names, a function of a name, or None, and not "
                f"{describe(names_filter)}."
            )
        wanted = [names_filter] if isinstance(names_filter, str) else list(names_filter)
        for name in wanted:
            if not isinstance(name, str) or name not in self.hook_dict:
                raise UnknownActivationError(
                    f"{type(self).__name__} has no hook point {shown(name)}."
                    f"{nearest(shown(name), self.hook_dict)} "
                    f"model.hook_dict lists all {len(self.hook_dict)}."
                )
        return wanted if len(wanted) == 1 else [n for n in self.hook_dict if n in wanted]

    def _check_can_backward(self, output: object) -> None:
        if not isinstance(output, Tensor) or output.numel() != 1:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise GradientError(
                f"incl_bwd=True calls backward on the model's output. It must be a scalar, such as "
                f"a loss, and this output is {shape}. Try return_type='loss'."
            )
        if output.requires_grad:
            return
        if not torch.is_grad_enabled():
            why = (
                "Autodiff is off here (torch.no_grad, inference_mode, toggle_autodiff): turn it on."
            )
        elif not any(parameter.requires_grad for parameter in self.parameters()):
            why = "All parameters are frozen: set requires_grad=True for one of the first layer."
        else:
            why = "The model's forward detached it: return it without detach."
        raise GradientError(
            f"incl_bwd=True needs an autograd graph, and the output has none. {why}"
        )
