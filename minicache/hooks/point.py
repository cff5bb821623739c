"""A module that returns its input unchanged, and calls hooks with it: `HookPoint`.

A model has one behind every activation that is worth seeing. A function attached to it, a **hook**,
is called with that activation as the model runs, and may replace it. `root.py` names the hook
points of a model. The idea is Garcon's [Anthropic 2021]; the interface is TransformerLens's.
Lesson 2 walks through it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from torch import Tensor, nn

from minicache.errors import ArgumentValueError, HookError, UnknownActivationError, describe, shown
from minicache.names import split_act_name

__all__ = ["Attached", "Direction", "HookFunction", "HookPoint", "check_hook"]

Direction = Literal["fwd", "bwd"]
HookFunction: TypeAlias = Callable[..., Tensor | None]  # called as hook(tensor, hook=hook_point)


# The `with model.hooks(..)` blocks that this thread, or this asyncio task, is in.
OPEN_BLOCKS: Final[ContextVar[frozenset[object]]] = ContextVar("OPEN_BLOCKS", default=frozenset())


@dataclass(eq=False)
class Attached:
    """One hook on one hook point. Compared by identity: the same function may be attached twice.

    Attributes:
        block: The `with model.hooks(..)` block that attached it. It acts only on what runs inside
            that block. None: the hook belongs to the model, and acts in every thread.
        was_called: Whether the hook has been called.
    """

    user_hook: HookFunction
    is_permanent: bool
    block: object | None = None
    was_called: bool = False

    def acts_here(self) -> bool:
        """Return whether the hook acts on what this thread, or this asyncio task, runs now."""
        return self.block is None or self.block in OPEN_BLOCKS.get()


class HookPoint(nn.Module):
    """An identity module that calls hooks with its input, and with its input's gradient.

    Attributes:
        name: Its full name in its model: `"blocks.0.attn.hook_q"`. `setup` sets it.
        fwd_hooks: Called in this order with the activation.
        bwd_hooks: Called in this order with the gradient of the loss by the activation.
        ctx: A dictionary in which hooks can keep values from one run to the next.

    Examples:
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
        if acting := _find_acting(self.fwd_hooks):
            tensor = self._call(acting, _clone_parameter(tensor), self.fwd_hooks)
        if tensor.requires_grad and (acting := _find_acting(self.bwd_hooks)):
            # A view is a node of its own in the graph: a gradient that by-passes this hook point
            # does not go through it. No memory is copied.
            tensor = tensor.view_as(tensor)
            tensor.register_hook(  # type: ignore[no-untyped-call]  # torch has not typed it
                lambda grad: self._call(acting, grad, self.bwd_hooks)
            )
        return tensor

    def add_hook(
        self,
        hook: HookFunction,
        dir: Direction = "fwd",
        is_permanent: bool = False,
        prepend: bool = False,
    ) -> None:
        """Attach `hook`, to be called as `hook(tensor, hook=self)` in every thread.

        If it returns a tensor, that tensor replaces the activation (for `"bwd"`, the gradient). If
        it returns None, nothing changes.

        Args:
            dir: `"fwd"` for the activation, `"bwd"` for its gradient. A backward hook acts on
                forward passes that start after it was attached.
            is_permanent: Keep the hook when `reset_hooks` removes the others.
            prepend: Run the hook before those that are already attached, and not after them.

        Raises:
            HookError: `hook` cannot be called.
            ArgumentValueError: `dir` is neither `"fwd"` nor `"bwd"`.
        """
        self.attach(hook, dir, is_permanent, prepend)

    def add_perma_hook(self, hook: HookFunction, dir: Direction = "fwd") -> None:
        """Attach a hook that stays when `reset_hooks` removes the others."""
        self.add_hook(hook, dir, is_permanent=True)

    def remove_hooks(
        self, dir: Literal["fwd", "bwd", "both"] = "fwd", including_permanent: bool = False
    ) -> None:
        """Remove hooks. Permanent ones stay unless `including_permanent`.

        Hooks that a `with model.hooks(..)` block of another thread attached stay.
        """
        check_direction(dir, ("fwd", "bwd", "both"))
        for direction, hooks in (("fwd", self.fwd_hooks), ("bwd", self.bwd_hooks)):
            for attached in _find_acting(hooks) if dir in (direction, "both") else ():
                if including_permanent or not attached.is_permanent:
                    self.detach(attached)

    def layer(self) -> int:
        """Return the index of the block that this hook point is in.

        Raises:
            UnknownActivationError: it is in no block.
        """
        layer, _ = split_act_name(self.name or "")
        if layer is None:
            raise UnknownActivationError(f"The hook point {self.name!r} is in no block.")
        return layer

    def extra_repr(self) -> str:
        counts = {"fwd": len(self.fwd_hooks), "bwd": len(self.bwd_hooks)}
        return ", ".join(f"{count} {dir}" for dir, count in counts.items() if count)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the hooks of `with model.hooks(..)` blocks out of pickles and deep copies."""
        own_hooks = {
            name: [attached for attached in getattr(self, name).copy() if attached.block is None]
            for name in ("fwd_hooks", "bwd_hooks")
        }
        return {**self.__dict__, **own_hooks}

    def attach(
        self,
        hook: HookFunction,
        dir: Direction,
        is_permanent: bool,
        prepend: bool,
        block: object | None = None,
    ) -> Attached:
        """Attach a hook as `add_hook` does, and return the handle that `detach` needs."""
        check_hook(hook, dir)
        hooks = self.fwd_hooks if dir == "fwd" else self.bwd_hooks
        attached = Attached(hook, is_permanent, block)
        hooks.insert(0 if prepend else len(hooks), attached)
        return attached

    def detach(self, attached: Attached) -> None:
        """Remove the hook that `attach` attached, if it is still there."""
        for hooks in (self.fwd_hooks, self.bwd_hooks):
            with suppress(ValueError):  # not in this list
                hooks.remove(attached)

    def _call(self, acting: Sequence[Attached], tensor: Tensor, present: list[Attached]) -> Tensor:
        for attached in acting:
            if attached not in present:  # removed by an earlier hook, or since the forward pass
                continue
            attached.was_called = True
            result = attached.user_hook(tensor, hook=self)
            if isinstance(result, Tensor):
                tensor = _clone_parameter(result)
            elif result is not None:
                raise HookError(
                    f"A hook at {self.name!r} returned {type(result).__name__}. "
                    f"Return a tensor to replace the activation, or None to leave it."
                )
        return tensor


def _find_acting(hooks: list[Attached]) -> list[Attached]:
    # Loop over a copy: if another thread removed a hook meanwhile, the loop would skip the next.
    return [attached for attached in hooks.copy() if attached.acts_here()] if hooks else hooks


def _clone_parameter(tensor: Tensor) -> Tensor:
    """Clone a parameter or a view of one, so that a hook cannot write into the model's weights."""
    root = tensor if tensor._base is None else tensor._base
    return tensor.clone() if isinstance(root, nn.Parameter) else tensor


def check_hook(hook: object, dir: object) -> None:
    """Raise unless `hook` can be called and `dir` is `"fwd"` or `"bwd"`."""
    if not callable(hook):
        raise HookError(f"A hook is a function hook(tensor, hook), and not {describe(hook)}.")
    check_direction(dir)


def check_direction(dir: object, known: Sequence[str] = ("fwd", "bwd")) -> None:
    """Raise unless `dir` is one of the known directions."""
    if dir not in known:
        raise ArgumentValueError(f"dir={shown(dir)}: give {' or '.join(map(repr, known))}.")
