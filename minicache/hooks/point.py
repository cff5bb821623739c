"""A module that hands its input on unchanged, and calls hooks with it: `HookPoint`.

Put one behind every activation worth seeing. A function attached to it, a **hook**, sees that
activation as the model runs, and may replace it. `root.py` gives many of them names. The idea is
Garcon's [Anthropic 2021]; the interface is TransformerLens's. Lesson 2 walks through it.
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


# The `hooks` blocks that are open here. Each thread and each asyncio task has its own.
OPEN_BLOCKS: Final[ContextVar[frozenset[object]]] = ContextVar("OPEN_BLOCKS", default=frozenset())


@dataclass(eq=False)
class Attached:
    """One hook on one hook point. Compared by identity: the same function may be attached twice.

    Attributes:
        block: The `hooks` block that attached it, and in which alone it acts. None: it is the
            model's, and acts in every thread.
        was_called: Whether a tensor or gradient has come to it.
    """

    user_hook: HookFunction
    is_permanent: bool
    block: object | None = None
    was_called: bool = False

    def acts_here(self) -> bool:
        """Whether it acts on what this thread, or this asyncio task, runs now."""
        return self.block is None or self.block in OPEN_BLOCKS.get()


class HookPoint(nn.Module):
    """An identity module that shows what passes through it.

    Attributes:
        name: Where it is in its model, as in `"blocks.0.attn.hook_q"`. `setup` sets it.
        fwd_hooks: Called in this order with the activation.
        bwd_hooks: Called in this order with the gradient of the loss by the activation.
        ctx: A dictionary for hooks to leave notes in, from one run to the next.

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
        if acting := _acting(self.fwd_hooks):
            tensor = self._call(acting, _apart(tensor), self.fwd_hooks)
        if tensor.requires_grad and (acting := _acting(self.bwd_hooks)):
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
        """Attach `hook`, called as `hook(tensor, hook=self)`.

        If it returns a tensor, that takes the activation's place (the gradient's, for `"bwd"`). If
        it returns None, nothing changes. It acts in every thread, until it is taken off.

        Args:
            dir: `"bwd"` for the gradient of every graph that is made from now on. A forward pass
                that is over does not know of it.
            is_permanent: Stay on when `reset_hooks` takes the others off.
            prepend: Run before the hooks that are there, and not after them.

        Raises:
            HookError: `hook` cannot be called.
            ArgumentValueError: `dir` is neither `"fwd"` nor `"bwd"`.
        """
        self.attach(hook, dir, is_permanent, prepend)

    def add_perma_hook(self, hook: HookFunction, dir: Direction = "fwd") -> None:
        """Attach a hook that stays on when `reset_hooks` takes the others off."""
        self.add_hook(hook, dir, is_permanent=True)

    def remove_hooks(
        self, dir: Literal["fwd", "bwd", "both"] = "fwd", including_permanent: bool = False
    ) -> None:
        """Take hooks off. Permanent ones stay unless `including_permanent`.

        Hooks that a `hooks` block of another thread put on are not touched.
        """
        check_direction(dir, both=True)
        for way, hooks in (("fwd", self.fwd_hooks), ("bwd", self.bwd_hooks)):
            for attached in _acting(hooks) if dir in (way, "both") else ():
                if including_permanent or not attached.is_permanent:
                    self.detach(attached)

    def layer(self) -> int:
        """The number of the block this stands in.

        Raises:
            UnknownActivationError: it stands in no block.
        """
        layer, _ = split_act_name(self.name or "")
        if layer is None:
            raise UnknownActivationError(f"The hook point {self.name!r} is in no block.")
        return layer

    def extra_repr(self) -> str:
        counts = {"fwd": len(self.fwd_hooks), "bwd": len(self.bwd_hooks)}
        return ", ".join(f"{count} {dir}" for dir, count in counts.items() if count)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy: without the hooks of blocks, which belong to their runs."""
        of_model = {
            name: [attached for attached in getattr(self, name).copy() if attached.block is None]
            for name in ("fwd_hooks", "bwd_hooks")
        }
        return {**self.__dict__, **of_model}

    def attach(
        self,
        hook: HookFunction,
        dir: Direction,
        is_permanent: bool,
        prepend: bool,
        block: object | None = None,
    ) -> Attached:
        """`add_hook`, and the handle with which `detach` takes this hook off again."""
        check_hook(hook, dir)
        hooks = self.fwd_hooks if dir == "fwd" else self.bwd_hooks
        attached = Attached(hook, is_permanent, block)
        hooks.insert(0 if prepend else len(hooks), attached)
        return attached

    def detach(self, attached: Attached) -> None:
        """Take off the hook that `attach` put on; one that is off already stays off."""
        for hooks in (self.fwd_hooks, self.bwd_hooks):
            with suppress(ValueError):  # not in this list
                hooks.remove(attached)

    def _call(self, acting: Sequence[Attached], tensor: Tensor, present: list[Attached]) -> Tensor:
        for attached in acting:
            if attached not in present:  # taken off, by an earlier hook or since the forward pass
                continue
            attached.was_called = True
            result = attached.user_hook(tensor, hook=self)
            if isinstance(result, Tensor):
                tensor = _apart(result)
            elif result is not None:
                raise HookError(
                    f"A hook at {self.name!r} returned {type(result).__name__}. "
                    f"Return a tensor to replace the activation, or None to leave it."
                )
        return tensor


def _acting(hooks: list[Attached]) -> list[Attached]:
    # Of a copy: another thread may take its hooks off meanwhile, and a list that shrinks under a
    # loop skips an entry.
    return [attached for attached in hooks.copy() if attached.acts_here()] if hooks else hooks


def _apart(tensor: Tensor) -> Tensor:
    """The tensor, or its copy if it is a parameter or a view of one: hooks may write into it."""
    root = tensor if tensor._base is None else tensor._base
    return tensor.clone() if isinstance(root, nn.Parameter) else tensor


def check_hook(hook: object, dir: object) -> None:
    """Raise unless `hook` can be called and `dir` is a direction."""
    if not callable(hook):
        raise HookError(f"A hook is a function hook(tensor, hook), and not {describe(hook)}.")
    check_direction(dir)


def check_direction(dir: object, *, both: bool = False) -> None:
    """Raise unless `dir` is `"fwd"`, `"bwd"` or, where it may be, `"both"`."""
    if dir not in (("fwd", "bwd", "both") if both else ("fwd", "bwd")):
        more = ", or give 'both'" if both else ""
        raise ArgumentValueError(f"dir={shown(dir)}: a hook runs 'fwd' or 'bwd'{more}.")
