"""Follow the residual stream through a forward pass of any decoder, by its additions.

A decoder's blocks pass one tensor on, and add to it. So the stream is, first, the tensor that goes
into block 0. After that it is the result of each addition that has the stream as one operand. The
other operand is what was written. `Follow` watches torch's functions for such additions. `Run`
also passes each activation that a plan has found through its hook point, where hooks may replace
it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from minicache.errors import ConfigError, HookError, ShapeError
from minicache.hooks import HookPoint

if TYPE_CHECKING:  # pragma: no cover  # for types only: probe.py builds on this module
    from minicache.bridge.probe import Plan, Site

__all__ = ["KINDS", "Follow", "Run"]

View: TypeAlias = Callable[[Tensor], Tensor]
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


class _CarriedError(Exception):
    """Carries a TypeError out of a function. Python's operators would replace the error itself."""


class Follow(TorchFunctionMode):
    """A torch function mode that keeps track of which tensors are the stream.

    Attributes:
        layer: The block that runs now; None outside of the blocks.
        stream: The tensors that hold the stream now: an addition's result, and views of it.
        count: How many functions of each kind this block has called.
        is_paused: True while a hook runs: what a hook adds is no addition of the model.
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
        kwargs = kwargs or {}
        if self.is_paused:
            return func(*args, **kwargs)
        try:
            return self.track(func, args, kwargs)
        except TypeError as error:  # Python would report an operator that lacks these operands
            raise _CarriedError(error) from error

    def track(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function, and see whether it adds to the stream, or only copies or views it."""
        kind = KINDS.get(func.__name__, func.__name__)
        if kind == "add" and self.layer is not None:
            operands = (*args, *(kwargs[name] for name in ("input", "other") if name in kwargs))
            if any(self.holds(operand) for operand in operands):
                return self.write(func, operands, float(kwargs.get("alpha", 1)))
        out = self.call(func, kind, args, kwargs)
        self.count[kind] += 1
        if kind == "same" and self.holds(args[0]) and out.numel() == args[0].numel():
            self.stream.append(out)
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
            if threading.get_ident() != thread:  # torch calls hooks for the modules of all threads
                return None
            was, self.is_paused = self.is_paused, True
            try:
                return hook(*args)
            finally:
                self.is_paused = was

        block_hooks = [
            (block, partial(self._before, layer), partial(self._behind, layer))
            for layer, block in enumerate(self.blocks)
        ]
        with ExitStack() as stack:
            for module, before, behind in (*block_hooks, *sites):
                if before:
                    handle = module.register_forward_pre_hook(
                        partial(run_here, before), with_kwargs=True
                    )
                    stack.callback(handle.remove)
                if behind:
                    handle = module.register_forward_hook(
                        partial(run_here, behind), with_kwargs=True
                    )
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
        if not self.holds(output if isinstance(output, Tensor) else output[0]):
            raise ConfigError(
                f"Block {layer} does not return the residual stream that its additions made: it "
                f"normalises or scales the stream itself, or a fused operation adds to it. Such a "
                f"stream is no sum of parts, so this model cannot be wrapped."
            )
        self.layer = None


class Run(Follow):
    """A forward pass with hooks: each activation goes through its hook point."""

    def __init__(
        self,
        blocks: Iterable[nn.Module],
        plan: Plan,
        points: Mapping[str, HookPoint],
        batch_and_pos: torch.Size,
    ) -> None:
        super().__init__(blocks)
        self.plan, self.points, self.lead = plan, points, batch_and_pos
        self.added = 0  # how often this block has added to the stream
        self.sums: dict[int, tuple[Tensor, ...]] = {}  # by id of a sum: its two terms, and itself

    @property
    def site(self) -> Site:
        return self.plan.outside if self.layer is None else self.plan.sites[self.layer]

    def has_points(self, *names: str) -> bool:
        return any(self.site.prefix + name in self.points for name in names)

    def show(
        self, name: str, tensor: Tensor, view: View | None = None, back: View | None = None
    ) -> Tensor:
        """Pass a tensor through its hook point. Without hooks, it is returned as it is.

        Args:
            view: From the model's shape to the hook point's; if left out, to [batch, pos, ..].
            back: From the hook point's shape to the model's.
        """
        point = self.points.get(self.site.prefix + name)
        if point is None:
            return tensor
        if view is None and tensor.shape[:2] != self.lead:  # batch and pos are one axis
            view = partial(Tensor.reshape, shape=(*self.lead, -1))
        seen = view(tensor) if view else tensor
        new = point(seen)
        if new is seen:
            return tensor
        if new.shape != seen.shape:
            raise ShapeError(
                f"A hook at {point.name!r} was given shape {tuple(seen.shape)} and returned "
                f"{tuple(new.shape)}. Return the shape that was given."
            )
        return back(new) if back else new.reshape(tensor.shape)

    def show_stream(self, name: str, tensor: Tensor) -> Tensor:
        """`show`. Where the model adds in place, hooks get a copy, which later additions leave."""
        if not self.plan.in_place:
            return self.show(name, tensor)
        copy = tensor.clone()
        new = self.show(name, copy)
        return tensor if new is copy else tensor.copy_(new)

    def show_written(self, names: tuple[str, ...], whole: Tensor) -> Tensor:
        """Show what is added to the stream. Of a sum, show each term, and add them up again."""
        if len(names) == 1:
            return self.show_stream(names[0], whole)
        if id(whole) not in self.sums:
            raise HookError(
                f"This run adds no sum of {' and '.join(names)} to the stream, and the run at "
                f"wrapping did. In training mode, dropout changes the sum: call model.eval() first."
            )
        parts = self.sums[id(whole)][:2]
        wide = [part if part.shape == whole.shape else part.expand_as(whole) for part in parts]
        new = [self.show(name, part) for name, part in zip(names, wide, strict=True)]
        is_same = all(ours is theirs for ours, theirs in zip(new, wide, strict=True))
        return whole if is_same else (new[0] + new[1]).to(whole.dtype)

    def enter(self, layer: int, stream: Tensor) -> Tensor:
        if layer == 0:
            stream = self.show_written(self.plan.outside.writes[0], stream)
        super().enter(layer, stream)
        self.added = 0
        self.sums.clear()
        return self.show_stream("hook_resid_pre", stream)

    def write(self, func: Any, operands: tuple[Any, ...], alpha: float) -> Tensor:
        if self.added == len(self.site.writes):
            raise HookError(
                f"Block {self.layer} adds to the stream more often than the {self.added} times of "
                f"the run at wrapping. Wrap the model again as it is now."
            )
        side = 1 if self.holds(operands[0]) else 0
        new = list(operands)
        new[side] = self.show_written(self.site.writes[self.added], operands[side])
        out = func(*new)
        self.stream, self.added = [out], self.added + 1
        is_last = self.added == len(self.site.writes)
        if is_last or self.site.has_mid:
            out = self.show_stream("hook_resid_post" if is_last else "hook_resid_mid", out)
            self.stream.append(out)
        return cast(Tensor, out)

    def call(self, func: Any, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if kind == "add" and any(len(names) == 2 for names in self.site.writes):
            # An addition in place would change what is kept of its operand.
            left = args[0].clone() if func.__name__ == "add_" else args[0]
            out = func(*args, **kwargs)
            self.sums[id(out)] = (left, args[1], out)
            return out
        found = self.site.calls.get((kind, self.count[kind]))
        if found:
            return getattr(self, f"_{found}")(func, args, kwargs)
        out = func(*args, **kwargs)
        if kind == "same" and id(args[0]) in self.sums:
            self.sums[id(out)] = (*self.sums[id(args[0])], out)
        return out

    def show_heads(self, name: str, tensor: Tensor) -> Tensor:
        """Show [batch, head, pos, d] as [batch, pos, head, d]. A shared head is shown once."""
        groups = 1 if name == "q" else self.site.groups
        heads = (self.lead[0], -1, *tensor.shape[-2:])
        return self.show(
            f"attn.hook_{name}",
            tensor,
            lambda t: t.reshape(heads)[:, ::groups].transpose(1, 2),
            lambda t: t.transpose(1, 2).repeat_interleave(groups, 1).reshape(tensor.shape),
        )

    def show_keys(self, name: str, tensor: Tensor, lowest: float = 0) -> Tensor:
        """Show [.., query, key] by batch and head. A last column may be a sink, which is no key.

        Args:
            lowest: Scores up to this are those of masked keys, and are shown as -inf. 0: none are.
        """
        keys = self.lead[1]

        def view(t: Tensor) -> Tensor:
            t = t.reshape(self.lead[0], -1, *t.shape[-2:])[..., :keys]
            return t.masked_fill(_masked_keys(t <= lowest), -torch.inf) if lowest else t

        def back(t: Tensor) -> Tensor:
            return torch.cat([t.reshape(*tensor.shape[:-1], keys), tensor[..., keys:]], -1)

        return self.show(name, tensor, view, back)

    def _scores(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Run the product of queries and keys, and show both."""
        *first, query, key = _operands(args, kwargs)
        query, key = self.show_heads("q", query), self.show_heads("k", key.mT).mT
        return cast(Tensor, func(*first, query, key, **kwargs))

    def _softmax(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Run the softmax over keys. Show the scores before it, and the pattern after it."""
        lowest = torch.finfo(args[0].dtype).min / 2
        scores = self.show_keys("attn.hook_attn_scores", args[0], lowest)
        return self.show_keys("attn.hook_pattern", func(scores, *args[1:], **kwargs))

    def _mix(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Run the product of the pattern and values, and show the values."""
        *first, pattern, value = _operands(args, kwargs)
        return cast(Tensor, func(*first, pattern, self.show_heads("v", value), **kwargs))

    def _sdpa(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Run torch's fused attention. Scores and pattern are computed again for their hooks."""
        names = ("attn_mask", "dropout_p", "is_causal")
        given = {**dict(zip(names, args[3:], strict=False)), **kwargs}
        query, key, value = map(self.show_heads, "qkv", args[:3])
        if not self.has_points("attn.hook_attn_scores", "attn.hook_pattern"):
            return cast(Tensor, func(query, key, value, **given))
        shared = query.shape[1] // key.shape[1]
        scores = query * (given.get("scale") or query.shape[-1] ** -0.5)
        scores = scores @ key.repeat_interleave(shared, 1).mT
        mask = given.get("attn_mask")
        if mask is None:
            mask = torch.ones_like(scores[0, 0], dtype=torch.bool)
            mask = mask.tril() if given.get("is_causal") else mask
        if mask.dtype == torch.bool:
            scores.masked_fill_(_masked_keys(~mask), -torch.inf)
        else:
            lowest = torch.finfo(mask.dtype).min / 2
            scores += mask.masked_fill(_masked_keys(mask <= lowest), -torch.inf)
        seen = self.show("attn.hook_attn_scores", scores, _identity, _identity)
        pattern = seen.softmax(-1, torch.promote_types(seen.dtype, torch.float32)).to(query)
        new = self.show("attn.hook_pattern", pattern, _identity, _identity)
        if seen is scores and new is pattern:
            return cast(Tensor, func(query, key, value, **given))
        return new @ value.repeat_interleave(shared, 1)

    def sites(self) -> Iterator[ModuleHooks]:
        """Hooks on the modules that take, or give, an activation with a hook point."""
        for site in (*self.plan.sites, self.plan.outside):
            for name, norm in site.norms.items():
                yield norm, None, partial(self._norm, site, name)
            for name, linear in site.linears.items():
                yield linear.module, partial(self._input, site, name), None
            for name, module in site.outputs.items():
                yield module, None, partial(self._output, site, name)

    def _input(self, site: Site, name: str, module: nn.Module, args: Any, kwargs: Any) -> Any:
        if site is not self.site:  # blocks may share a module
            return None
        view = None
        if name == "attn.hook_z":
            view = partial(Tensor.reshape, shape=(*self.lead, *site.heads))
        return (self.show(name, args[0], view), *args[1:]), kwargs

    def _output(
        self, site: Site, name: str, module: nn.Module, args: Any, kwargs: Any, output: Tensor
    ) -> Tensor | None:
        return self.show(name, output) if site is self.site else None

    def _norm(
        self, site: Site, name: str, module: nn.Module, args: Any, kwargs: Any, output: Tensor
    ) -> Tensor | None:
        at_scale, at_normalized = (f"{name}.hook_{what}" for what in ("scale", "normalized"))
        if site is not self.site or not self.has_points(at_scale, at_normalized):
            return None
        norm = self.plan.frozen(module, output)
        centred = norm.centre(args[0].to(norm.w))
        scale = norm.scale(centred).to(output)
        seen = self.show(at_scale, scale)
        normalized = (centred / seen).to(output)
        new = self.show(at_normalized, normalized)
        if seen is scale and new is normalized:
            return None
        return (new * norm.w + norm.b).to(output)


def _masked_keys(keys: Tensor) -> Tensor:
    """The mask of keys, without the rows of padding that would mask every key."""
    return keys & ~keys.all(-1, keepdim=True)


def _operands(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """The tensors that a call was given. Those given by name are removed from `kwargs`."""
    names = [name for name, value in kwargs.items() if isinstance(value, Tensor)]
    return [*args, *map(kwargs.pop, names)]


def _identity(tensor: Tensor) -> Tensor:
    return tensor
