"""Run a model with hooks: each activation that a plan has found goes through its hook point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any, Final, TypeAlias, cast

import torch
from torch import Tensor, nn

from minicache.bridge.follow import KINDS, Follow, ModuleHooks, changes_in_place
from minicache.bridge.plan import Plan, Site
from minicache.errors import HookError, ShapeError
from minicache.hooks import HookPoint

__all__ = ["Run"]

View: TypeAlias = Callable[[Tensor], Tensor]
# A mask is the lowest number of some dtype, float16 or wider. No score of attention is that low.
_MASKED: Final = torch.finfo(torch.float16).min / 2


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
        self.reached: set[str] = set()  # the hook points that an activation went through
        self.added = 0  # how often this block has added to the stream
        self.sums: dict[int, tuple[Tensor, ...]] = {}  # by id of a sum: its two terms, and itself

    @staticmethod
    @cache  # it is asked at every call
    def heeds(name: str) -> bool:
        return name in KINDS or name == "dropout" or changes_in_place(name)

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
        point = self.points.get(full_name := self.site.prefix + name)
        if point is None:
            return tensor
        self.reached.add(full_name)
        if view is None and tensor.shape[:2] != self.lead:  # batch and pos are one axis
            view = partial(Tensor.reshape, shape=(*self.lead, -1))
        seen = view(tensor) if view else tensor
        new = point(seen)
        if new is seen:
            return tensor
        if new.shape != seen.shape:
            raise ShapeError(
                f"A hook at {full_name!r} was given shape {tuple(seen.shape)} and returned "
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
                f"wrapping did. Wrap the model again as it is now."
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
        if kind == "dropout":
            _, p, is_training, *_ = (*args, *kwargs.values())
            _refuse_dropout(float(p) if is_training else 0.0)
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
        if kind == "same" and args and id(args[0]) in self.sums:
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

    def show_keys(self, name: str, tensor: Tensor, look: View | None = None) -> Tensor:
        """Show [.., query, key] by batch and head. A last column may be a sink, which is no key."""
        keys = self.lead[1]

        def view(t: Tensor) -> Tensor:
            t = t.reshape(self.lead[0], -1, *t.shape[-2:])[..., :keys]
            return look(t) if look else t

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
        scores = self.show_keys("attn.hook_attn_scores", args[0], _without_masked)
        return self.show_keys("attn.hook_pattern", func(scores, *args[1:], **kwargs))

    def _mix(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Run the product of the pattern and values, and show the values."""
        *first, pattern, value = _operands(args, kwargs)
        return cast(Tensor, func(*first, pattern, self.show_heads("v", value), **kwargs))

    def _sdpa(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Run torch's fused attention. Scores and pattern are computed again for their hooks."""
        names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        query, key, value = (self.show_heads(name[0], given.pop(name)) for name in names[:3])
        _refuse_dropout(float(given.get("dropout_p", 0)))
        if not self.has_points("attn.hook_attn_scores", "attn.hook_pattern"):
            return cast(Tensor, func(query, key, value, **given))
        shared = query.shape[1] // key.shape[1]
        all_keys, values = (
            t.repeat_interleave(shared, 1) if shared > 1 else t for t in (key, value)
        )
        shape = (*query.shape[:-1], key.shape[-2])
        scores = torch.baddbmm(
            _mask_of(given, query, key).expand(shape).flatten(0, 1),
            query.flatten(0, 1),
            all_keys.flatten(0, 1).mT,
            alpha=given.get("scale") or query.shape[-1] ** -0.5,
        ).view(shape)
        seen = self.show_keys("attn.hook_attn_scores", scores)
        pattern = seen.softmax(-1, torch.promote_types(seen.dtype, torch.float32)).to(query)
        new = self.show_keys("attn.hook_pattern", pattern)
        if seen is scores and new is pattern:
            return cast(Tensor, func(query, key, value, **given))
        return new @ values

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


def _refuse_dropout(p: float) -> None:
    if p:
        raise HookError(
            f"Dropout of {p:g} acts on this run, so heads would not sum to what attention writes. "
            f"Call model.eval() first."
        )


def _without_masked(scores: Tensor) -> Tensor:
    """Scores with -inf at masked keys, but not in the rows of padding, which mask every key."""
    return _hide(scores, scores <= _MASKED)


def _hide(scores: Tensor, masked: Tensor) -> Tensor:
    return scores.masked_fill(masked & ~masked.all(-1, keepdim=True), -torch.inf)


def _mask_of(given: dict[str, Any], query: Tensor, key: Tensor) -> Tensor:
    """What fused attention adds to its scores: [.., query, key], -inf at masked keys."""
    mask = given.get("attn_mask")
    if mask is None:
        mask = query.new_ones(query.shape[-2], key.shape[-2], dtype=torch.bool)
        mask = mask.tril() if given.get("is_causal") else mask
    if mask.dtype == torch.bool:
        return _hide(torch.zeros_like(mask, dtype=query.dtype), ~mask)
    return _without_masked(mask).to(query)


def _operands(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """The tensors that a call was given. Those given by name are removed from `kwargs`."""
    names = [name for name, value in kwargs.items() if isinstance(value, Tensor)]
    return [*args, *map(kwargs.pop, names)]
