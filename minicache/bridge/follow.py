"""Follow the residual stream through a forward pass of any decoder, by its additions.

A decoder's blocks pass one tensor on, and add to it. So the stream is, first, the tensor that goes
into block 0. After that it is the result of each addition that has the stream as one operand. The
other operand is what was written. `Follow` watches torch's functions for such additions. `trace.py`
and `run.py` say what is done at each.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final, TypeAlias

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from minicache.errors import ConfigError

__all__ = ["KINDS", "Follow", "ModuleHooks", "changes_in_place"]

# (module, hook before it, hook behind it)
ModuleHooks: TypeAlias = tuple[nn.Module, Callable[..., Any] | None, Callable[..., Any] | None]

# What a function does, by its name: torch has several functions of each.
_NAMES: Final = {
    "add": "add add_",
    "matmul": "matmul bmm baddbmm",
    "softmax": "softmax",
    "sdpa": "scaled_dot_product_attention",
    "same": "to type type_as float double half bfloat16 cpu cuda contiguous clone view view_as "
    "reshape __getitem__",
    "shape": "transpose permute expand unsqueeze squeeze flatten",
}
KINDS: Final = {name: kind for kind, names in _NAMES.items() for name in names.split()}


def changes_in_place(name: str) -> bool:
    """Whether a function writes into its first argument: `add_`, and `x[..] = y`."""
    return name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))


class _CarriedError(Exception):
    """Carries a TypeError out of a function. Python's operators would replace the error itself."""


class Follow(TorchFunctionMode):
    """A torch function mode that keeps track of which tensors are the stream.

    Attributes:
        layer: The block that runs now; None outside of the blocks.
        stream: The tensors that hold the stream now: an addition's result, and views of it.
        count: How many functions of each kind this block has called.
        is_paused: True while code of ours or of a hook runs: what it adds is no addition of the
            model, nor is what another run of the model adds that a hook begins.
    """

    def __init__(self, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.blocks = list(blocks)
        self.layer: int | None = None
        self.stream: list[Tensor] = []
        self.count: Counter[str] = Counter()
        self.is_paused = False

    def holds(self, value: object) -> bool:
        """Whether a value is one of the tensors that hold the stream."""
        return any(value is tensor for tensor in self.stream)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if self.is_paused or not self.heeds(func.__name__):
            return func(*args, **kwargs or {})
        self.is_paused = True
        try:
            return self.track(func, args, kwargs or {})
        except TypeError as error:  # Python would report an operator that lacks these operands
            raise _CarriedError(error) from error
        finally:
            self.is_paused = False

    @staticmethod
    def heeds(name: str) -> bool:
        """Whether functions of this name are looked at."""
        return True

    def track(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function, and see whether it adds to the stream, or only copies or views it."""
        kind = KINDS.get(func.__name__, func.__name__)
        if kwargs and func.__name__ in KINDS:  # of these, `input` and `other` are the first two
            args = (*args, *(kwargs.pop(name) for name in ("input", "other") if name in kwargs))
        adds = kind == "add" and self.layer is not None
        if adds and any(self.holds(operand) for operand in args):
            return self.write(func, args, float(kwargs.get("alpha", 1)))
        out = self.call(func, kind, args, kwargs)
        self.count[kind] += 1
        if args and self.holds(args[0]):
            if kind == "same" and out.numel() == args[0].numel():
                self.stream.append(out)
            elif changes_in_place(func.__name__):
                self.stream = []  # scaled or overwritten where it is, it is no sum any more
        return out

    def call(self, func: Any, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function that adds nothing to the stream."""
        raise NotImplementedError  # pragma: no cover  # Trace and Run override it

    def write(self, func: Any, operands: tuple[Any, ...], alpha: float) -> Tensor:
        """Run an addition to the stream. Its result is the stream from now on."""
        raise NotImplementedError  # pragma: no cover  # Trace and Run override it

    def enter(self, layer: int, stream: Tensor) -> Tensor:
        """Begin a block, and return the stream that it is to read."""
        self.layer = layer
        self.count.clear()
        return stream

    @contextmanager
    def on(self, sites: Iterable[ModuleHooks] = ()) -> Iterator[None]:
        """Follow what this thread runs in a `with` block, with hooks on modules."""
        thread = threading.get_ident()

        def run_here(hook: Callable[..., Any], *args: Any) -> Any:
            # torch calls hooks for the modules of all threads, and of all runs in them.
            if self.is_paused or threading.get_ident() != thread:
                return None
            self.is_paused = True
            try:
                return hook(*args)
            finally:
                self.is_paused = False

        block_hooks = [
            (block, partial(self._before, layer), partial(self._behind, layer))
            for layer, block in enumerate(self.blocks)
        ]
        with ExitStack() as stack:
            for module, before, behind in (*block_hooks, *sites):
                for register, hook in (
                    (module.register_forward_pre_hook, before),
                    (module.register_forward_hook, behind),
                ):
                    if hook:
                        handle = register(partial(run_here, hook), with_kwargs=True)
                        stack.callback(handle.remove)
            with self:
                try:
                    yield
                except _CarriedError as carried:
                    raise carried.args[0] from None

    def _before(self, layer: int, block: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        found = next((v for v in (*args, *kwargs.values()) if self._begins(layer, v)), None)
        if found is None:
            raise ConfigError(
                f"Block {layer} does not read the residual stream that block {layer - 1} ended "
                f"with: the model changes the stream between them by something else than an "
                f"addition. Such a model cannot be wrapped."
            )
        self.stream = [found]
        new = self.enter(layer, found)
        self.stream.append(new)
        args = tuple(new if value is found else value for value in args)
        return args, {name: new if v is found else v for name, v in kwargs.items()}

    def _begins(self, layer: int, value: object) -> bool:
        if layer:
            return self.holds(value)
        return isinstance(value, Tensor) and value.is_floating_point()

    def _behind(self, layer: int, block: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if not any(self.holds(value) for value in tree_leaves(output)[:1]):
            raise ConfigError(
                f"Block {layer} does not return the residual stream that its additions made: it "
                f"normalises or scales the stream itself, adds to a copy of it that it does not "
                f"pass on, or a fused operation adds to it. This model cannot be wrapped."
            )
        self.layer = None
