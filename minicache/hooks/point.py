"""One tap: a module that does nothing, and shows what passes through it.

A `HookPoint` hands its input on unchanged. Put one behind every activation worth seeing, and a
function attached to it, a **hook**, sees that activation as the model runs, and may replace it.
`hooks.py` gives many of them names. The idea is Garcon's [Anthropic 2021]; the interface is
TransformerLens's. Lesson 2 tells the story.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from torch import Tensor, nn

from minicache.errors import HookError, UnknownActivationError

__all__ = ["Attached", "Direction", "HookFunction", "HookPoint", "check_hook"]

Direction = Literal["fwd", "bwd"]
HookFunction: TypeAlias = Callable[..., Tensor | None]  # called as hook(tensor, hook=hook_point)


@dataclass(eq=False)
class Attached:
    """One hook on one hook point. Compared by identity: the same function may be attached twice."""

    user_hook: HookFunction
    is_permanent: bool


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
        self.attach(hook, dir, is_permanent, prepend)

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

    def attach(
        self, hook: HookFunction, dir: Direction, is_permanent: bool, prepend: bool
    ) -> Attached:
        """`add_hook`, and the ticket with which `detach` takes this hook off again."""
        check_hook(hook, dir)
        (hooks,) = self._hooks_of(dir)
        attached = Attached(hook, is_permanent)
        hooks.insert(0 if prepend else len(hooks), attached)
        return attached

    def detach(self, attached: Attached) -> None:
        """Take off the hook that `attach` put on; one that is off already stays off."""
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


def check_hook(hook: object, dir: str) -> None:
    """Raise a HookError unless `hook` can be called and `dir` is a direction."""
    if not callable(hook):
        raise HookError(
            f"A hook is a function hook(tensor, hook), and not {hook!r} of type "
            f"{type(hook).__name__}."
        )
    if dir not in ("fwd", "bwd"):
        raise HookError(f"dir={dir!r}: a hook runs 'fwd' or 'bwd'.")
