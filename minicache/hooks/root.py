"""The taps: a model that lets you open it anywhere.

`HookedRootModule` gives every hook point in a module a name, and attaches hooks by name. Whatever
goes wrong in between, the hooks that it attached for one run are taken off again. It works for any
module with hook points in it. The interface is TransformerLens's. Lessons 2 and 3 tell the story.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from minicache.errors import BatchSizeError, HookError, UnknownActivationError, logger, nearest
from minicache.hooks.point import Attached, Direction, HookFunction, HookPoint, check_hook
from minicache.names import pos_axis
from minicache.slices import Slice, SliceInput

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
        """Name every hook point after its place, and list modules and hook points by name."""
        self.mod_dict = {name: module for name, module in self.named_modules() if name}
        self.hook_dict = {n: m for n, m in self.mod_dict.items() if isinstance(m, HookPoint)}
        for name, point in self.hook_dict.items():
            point.name = name

    def hook_points(self) -> Iterable[HookPoint]:
        """Every hook point of the model."""
        return self.hook_dict.values()

    def add_hook(
        self,
        name: str | NamePredicate,
        hook: HookFunction,
        dir: Direction = "fwd",
        is_permanent: bool = False,
        prepend: bool = False,
    ) -> None:
        """Attach `hook` to the hook point of this name, or to all whose name satisfies a predicate.

        See `HookPoint.add_hook`. Nothing is attached if anything is wrong.

        Raises:
            UnknownActivationError: no hook point has this name.
            HookError: `hook`, `name` or `dir` is not what it should be.
        """
        check_hook(hook, dir)
        for point in self._points(name):
            point.add_hook(hook, dir, is_permanent, prepend)

    def add_perma_hook(
        self, name: str | NamePredicate, hook: HookFunction, dir: Direction = "fwd"
    ) -> None:
        """Attach a hook that stays on when `reset_hooks` takes the others off."""
        self.add_hook(name, hook, dir, is_permanent=True)

    def reset_hooks(
        self,
        clear_contexts: bool = True,
        direction: Literal["fwd", "bwd", "both"] = "both",
        including_permanent: bool = False,
    ) -> None:
        """Take all hooks off, and empty every `ctx`. Permanent hooks stay unless included."""
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

        On leaving, by any road, exactly the hooks that were attached here are taken off. Hooks that
        were there before, and hooks that the block adds itself, stay.

        Args:
            fwd_hooks: Pairs (name or predicate, hook) for activations.
            bwd_hooks: The same for gradients. Call `backward` inside the block.
            reset_hooks_end: False leaves them on.
            clear_contexts: Also empty every `ctx` on leaving.

        Raises:
            UnknownActivationError: a name is unknown. No hook has been attached then.
            HookError: one of the hooks cannot be called.
        """
        plan: list[tuple[HookPoint, HookFunction, Direction]] = []
        directions: tuple[tuple[NamedHooks, Direction], ...] = (
            (fwd_hooks, "fwd"),
            (bwd_hooks, "bwd"),
        )
        for named_hooks, dir in directions:
            for name, hook in named_hooks:
                check_hook(hook, dir)
                plan += [(point, hook, dir) for point in self._points(name)]
        attached: list[tuple[HookPoint, Attached]] = []
        try:
            for point, hook, dir in plan:
                attached.append((point, point.attach(hook, dir, False, False)))
            yield self
        finally:
            if reset_hooks_end:
                for point, one in attached:
                    point.detach(one)
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
        """The model's output, with hooks on for this one run. See `hooks`.

        A backward hook must still be on when `backward` runs: use the `hooks` context for those, or
        `reset_hooks_end=False`.
        """
        if bwd_hooks and reset_hooks_end:
            logger.warning(
                "run_with_hooks takes its backward hooks off before backward can run. "
                "Use `with model.hooks(bwd_hooks=...)` around both, or reset_hooks_end=False."
            )
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
        """Hooks that fill a dictionary, not yet attached: (cache, fwd_hooks, bwd_hooks).

        Each entry is the activation itself, detached from the graph: a reference, no copy, unless
        `device` moves it or `pos_slice` picks positions by a list. So a later change of it in place
        shows in the cache. Gradients stand beside their activation as `NAME_grad`.

        Args:
            names_filter: What to keep: a full name, a list of them, a predicate, or None for all.
            device: Where to keep it. None keeps each where it is.
            remove_batch_dim: Drop the first axis, which must have size 1.
            pos_slice: Which positions to keep. An int keeps the axis, with size 1.

        Raises:
            UnknownActivationError: the filter names a hook point that is not there.
        """
        store = {} if cache is None else cache
        positions = Slice.unwrap(pos_slice)

        def keep(tensor: Tensor, hook: HookPoint, suffix: str = "") -> None:
            kept = tensor.detach()
            if device is not None:
                kept = kept.to(device)
            if remove_batch_dim:
                if kept.ndim == 0 or kept.shape[0] != 1:
                    raise BatchSizeError(
                        f"remove_batch_dim=True needs a batch of 1, and {hook.name!r} has shape "
                        f"{tuple(kept.shape)}. Run one item, or keep the batch axis."
                    )
                kept = kept[0]
            axis = pos_axis(hook.name or "")
            if positions.mode != "identity" and kept.ndim >= -axis:
                kept = positions.apply(kept, dim=axis)
            store[f"{hook.name}{suffix}"] = kept

        def keep_grad(tensor: Tensor, hook: HookPoint) -> None:
            keep(tensor, hook, "_grad")

        names = self._filtered(names_filter)
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
        """The model's output, bit for bit as without a cache, and every activation of the run.

        The caching hooks run after the hooks that are already there, so they see what the model
        goes on with. See `get_caching_hooks` for the arguments.

        Args:
            incl_bwd: Also call `backward` on the output, a scalar, and cache the gradients.

        Raises:
            HookError: `incl_bwd` and the output is no scalar that a gradient can come from.
            BatchSizeError: `remove_batch_dim` with a batch of more than 1.
        """
        cache, fwd_hooks, bwd_hooks = self.get_caching_hooks(
            names_filter, incl_bwd, device, remove_batch_dim, pos_slice=pos_slice
        )
        with self.hooks(fwd_hooks, bwd_hooks, reset_hooks_end, clear_contexts):
            model_out = self(*model_args, **model_kwargs)
            if incl_bwd:
                _check_can_backward(model_out)
                model_out.backward()
        return model_out, cache

    def _points(self, name: str | NamePredicate) -> list[HookPoint]:
        return [self.hook_dict[one] for one in self._filtered(name)]

    def _filtered(self, names_filter: NamesFilter) -> list[str]:
        """The names that a filter picks, in the model's order. Exact names must exist."""
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
                f"{names_filter!r} of type {type(names_filter).__name__}."
            )
        wanted = [names_filter] if isinstance(names_filter, str) else list(names_filter)
        for name in wanted:
            if name not in self.hook_dict:
                raise UnknownActivationError(
                    f"{type(self).__name__} has no hook point {name!r}."
                    f"{nearest(str(name), self.hook_dict)} "
                    f"model.hook_dict has all {len(self.hook_dict)}."
                )
        return [name for name in self.hook_dict if name in wanted]


def _check_can_backward(output: object) -> None:
    if not isinstance(output, Tensor) or output.numel() != 1:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise HookError(
            f"incl_bwd=True calls backward on the model's output, which must be a scalar such as a "
            f"loss, and this one is {shape}. Try return_type='loss'."
        )
    if not output.requires_grad:
        raise HookError(
            "incl_bwd=True needs a graph, and the output has none. "
            "Is autodiff off (torch.no_grad, inference_mode, toggle_autodiff)?"
        )
