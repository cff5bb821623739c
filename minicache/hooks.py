"""The taps: a module that does nothing, and a model that lets you open it anywhere.

A `HookPoint` hands its input on unchanged. Put one behind every activation worth seeing, and a
function attached to it, a **hook**, sees that activation as the model runs, and may replace it.
`HookedRootModule` gives every hook point a name and attaches hooks by name. Whatever goes wrong in
between, the hooks that it attached for one run are taken off again.

The idea is Garcon's [Anthropic 2021]; the interface is TransformerLens's. It works for any module
with hook points in it. Lessons 2 and 3 tell the story.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from minicache.guards import BatchSizeError, HookError, UnknownActivationError, logger, nearest
from minicache.names import pos_axis
from minicache.slices import Slice, SliceInput

__all__ = ["HookFunction", "HookPoint", "HookedRootModule", "NamesFilter"]

Direction = Literal["fwd", "bwd"]
HookFunction: TypeAlias = Callable[..., Tensor | None]  # called as hook(tensor, hook=hook_point)
NamePredicate: TypeAlias = Callable[[str], bool]
NamesFilter: TypeAlias = str | Sequence[str] | NamePredicate | None
NamedHooks: TypeAlias = Sequence[tuple[str | NamePredicate, HookFunction]]


@dataclass(eq=False)
class Attached:
    """One hook on one hook point. Compared by identity: the same function may be attached twice."""

    user_hook: HookFunction
    is_permanent: bool = False


class HookPoint(nn.Module):
    """An identity module that shows what passes through it.

    Attributes:
        name: Where it is in its model, as in `"blocks.0.attn.hook_q"`. `setup` sets it.
        fwd_hooks: Called in this order with the activation.
        bwd_hooks: Called in this order with the gradient of the loss by the activation.
        ctx: A dictionary for hooks to leave notes in, from one run to the next.

    >>> point = HookPoint()
    >>> point.add_hook(lambda tensor, hook: 2 * tensor)
    >>> point(torch.ones(2))
    tensor([2., 2.])
    """

    def __init__(self) -> None:
        super().__init__()
        self.name: str | None = None
        self.fwd_hooks: list[Attached] = []
        self.bwd_hooks: list[Attached] = []
        self.ctx: dict[str, Any] = {}

    def forward(self, tensor: Tensor) -> Tensor:
        for attached in tuple(self.fwd_hooks):
            tensor = self._call(attached, tensor)
        if self.bwd_hooks and tensor.requires_grad:
            # A view is a node of its own in the graph: a gradient that by-passes this hook point
            # does not go through it. No memory is copied.
            tensor = tensor.view_as(tensor)
            present = tuple(self.bwd_hooks)
            tensor.register_hook(  # type: ignore[no-untyped-call]  # torch has not typed it
                lambda grad: self._call_backward(present, grad)
            )
        return tensor

    def add_hook(
        self,
        hook: HookFunction,
        dir: Direction = "fwd",
        is_permanent: bool = False,
        prepend: bool = False,
    ) -> None:
        """Attach `hook`, called as `hook(tensor, hook=self)`.

        If it returns a tensor, that takes the activation's place (the gradient's, for `"bwd"`). If
        it returns None, nothing changes.

        Args:
            is_permanent: Stay on when `reset_hooks` takes the others off.
            prepend: Run before the hooks that are there, and not after them.

        Raises:
            HookError: `hook` cannot be called, or `dir` is neither `"fwd"` nor `"bwd"`.
        """
        self._attach(hook, dir, is_permanent, prepend)

    def add_perma_hook(self, hook: HookFunction, dir: Direction = "fwd") -> None:
        """Attach a hook that stays on when `reset_hooks` takes the others off."""
        self.add_hook(hook, dir, is_permanent=True)

    def remove_hooks(
        self, dir: Literal["fwd", "bwd", "both"] = "fwd", including_permanent: bool = False
    ) -> None:
        """Take hooks off. Permanent ones stay unless `including_permanent`."""
        for hooks in self._hooks_of(dir):
            hooks[:] = [a for a in hooks if a.is_permanent and not including_permanent]

    def layer(self) -> int:
        """The number of the block this stands in.

        Raises:
            UnknownActivationError: it stands in no block.
        """
        parts = (self.name or "").split(".")
        if parts[0] == "blocks":
            return int(parts[1])
        raise UnknownActivationError(f"The hook point {self.name!r} is in no block.")

    def extra_repr(self) -> str:
        counts = {"fwd": len(self.fwd_hooks), "bwd": len(self.bwd_hooks)}
        return ", ".join(f"{count} {dir}" for dir, count in counts.items() if count)

    def _attach(
        self, hook: HookFunction, dir: Direction, is_permanent: bool, prepend: bool
    ) -> Attached:
        _check_hook(hook, dir)
        (hooks,) = self._hooks_of(dir)
        attached = Attached(hook, is_permanent)
        hooks.insert(0 if prepend else len(hooks), attached)
        return attached

    def _detach(self, attached: Attached) -> None:
        for hooks in (self.fwd_hooks, self.bwd_hooks):
            if attached in hooks:
                hooks.remove(attached)

    def _hooks_of(self, dir: str) -> list[list[Attached]]:
        table = {
            "fwd": [self.fwd_hooks],
            "bwd": [self.bwd_hooks],
            "both": [self.fwd_hooks, self.bwd_hooks],
        }
        if dir in table:
            return table[dir]
        raise HookError(f"dir={dir!r}: a hook runs 'fwd' or 'bwd'.")

    def _call(self, attached: Attached, tensor: Tensor) -> Tensor:
        result = attached.user_hook(tensor, hook=self)
        if result is None:
            return tensor
        if isinstance(result, Tensor):
            return result
        raise HookError(
            f"A hook at {self.name!r} returned {type(result).__name__}. "
            f"Return a tensor to replace the activation, or None to leave it."
        )

    def _call_backward(self, present: tuple[Attached, ...], grad: Tensor) -> Tensor:
        for attached in present:
            if attached in self.bwd_hooks:  # one that was taken off since the forward pass is off
                grad = self._call(attached, grad)
        return grad


class HookedRootModule(nn.Module):
    """A module whose hook points have names. Subclass it, and end `__init__` with `self.setup()`.

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
        _check_hook(hook, dir)
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
                _check_hook(hook, dir)
                plan += [(point, hook, dir) for point in self._points(name)]
        attached: list[tuple[HookPoint, Attached]] = []
        try:
            for point, hook, dir in plan:
                attached.append((point, point._attach(hook, dir, False, False)))
            yield self
        finally:
            if reset_hooks_end:
                for point, one in attached:
                    point._detach(one)
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


def _check_hook(hook: object, dir: str) -> None:
    if not callable(hook):
        raise HookError(
            f"A hook is a function hook(tensor, hook), and not {hook!r} of type "
            f"{type(hook).__name__}."
        )
    if dir not in ("fwd", "bwd"):
        raise HookError(f"dir={dir!r}: a hook runs 'fwd' or 'bwd'.")


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
