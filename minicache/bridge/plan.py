"""Plan where a model's activations are, from one trace of it.

`make_plan` goes back from each write to the modules that made it. What is not there, or not linear,
is refused, and the reason is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from minicache.bridge.probe import Frozen, Linear, find_factor, probe_norm
from minicache.bridge.trace import Node, Trace
from minicache.errors import ConfigError

__all__ = ["Plan", "Site", "make_plan"]


@dataclass(eq=False)
class Site:
    """Where the activations of one block are, or those outside of all blocks.

    Attributes:
        prefix: What its hook points' names begin with.
        writes: The names of what each addition adds to the stream: two, where it adds a sum.
        has_mid: Something reads the stream between two writes.
        norms: By name: `ln1` and `ln2` before attention and MLP; `ln1_post` and `ln2_post` after.
        linears: Linear maps whose input has a hook point, by its name.
        outputs: Modules whose output has a hook point, by its name.
        heads: How many, and d_head.
        groups: How many heads share one key and value.
        calls: Which call of which kind is `sdpa`, or `scores`, `softmax` and `mix`.
        refused: Why an activation is not offered, by the name of its hook point.
    """

    prefix: str
    writes: list[tuple[str, ...]]
    has_mid: bool = False
    norms: dict[str, nn.Module] = field(default_factory=dict)
    linears: dict[str, Linear] = field(default_factory=dict)
    outputs: dict[str, nn.Module] = field(default_factory=dict)
    heads: tuple[int, int] = (0, 0)
    groups: int = 1
    calls: dict[tuple[str, int], str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def weight(self, name: str) -> Tensor:
        """Of the linear map whose input has a hook point of this name: [in, out], by heads."""
        weight = self._linear(name).weight()
        return weight.view(*self.heads, -1) if name == "attn.hook_z" else weight

    def bias(self, name: str) -> Tensor:
        return self._linear(name).bias()

    def _linear(self, name: str) -> Linear:
        if name not in self.linears:
            raise ConfigError(f"{self.prefix}{name} is not offered: {self.refused[name]}.")
        return self.linears[name]

    def refuse(self, name: str, why: str) -> None:
        self.linears.pop(name, None)
        self.refused[name] = why
        if name == "attn.hook_z":
            self.calls = {}

    def names(self) -> Iterator[str]:
        """Its hook points."""
        yield from (name for names in self.writes for name in names)
        yield from (
            f"{norm}.hook_{what}" for norm in self.norms for what in ("scale", "normalized")
        )
        yield from (*self.linears, *self.outputs)
        if self.calls:
            yield from (f"attn.hook_{name}" for name in ("q", "k", "v", "attn_scores", "pattern"))
        mid = ["hook_resid_mid"] * self.has_mid
        stream = ("hook_resid_pre", *mid, "hook_resid_post")
        yield from stream if self.prefix else ("unembed.hook_out",)


@dataclass
class Plan:
    """Where a model's activations are, and the linear maps that make its logits."""

    sites: list[Site]
    outside: Site
    unembed: list[Linear]
    in_place: bool
    known: dict[nn.Module, tuple[Any, Frozen]] = field(default_factory=dict)

    def frozen(self, norm: nn.Module, like: Tensor) -> Frozen:
        """A norm as it is now. It is probed again when its parameters have changed."""
        state = [
            # Changes of a parameter made in inference mode are not counted: it never equals itself.
            (p.data_ptr(), object() if p.is_inference() else p._version, p.dtype, p.device)
            for p in norm.parameters()
        ]
        if norm not in self.known or self.known[norm][0] != state:
            found = probe_norm(norm, like)
            if found is None:
                raise ConfigError(
                    f"{type(norm).__name__} has changed since the model was wrapped: with its "
                    f"scale held fixed, it is not linear any more. Wrap the model again."
                )
            self.known[norm] = (state, found)
        return self.known[norm][1]


class _RefusedError(Exception):
    """Why an activation is not offered."""


def make_plan(trace: Trace, logits: Tensor, ids: Tensor) -> Plan:
    """Find in a trace where each activation is.

    Raises:
        ConfigError: the model adds to its stream, or reads it, in a way that hook names do not fit.
    """
    sites = [_find_site(trace, layer) for layer in range(len(trace.blocks))]
    outside = Site("", [_name_embeddings(trace, ids)])
    try:
        unembed = _find_unembed(outside, trace.node(logits))
    except _RefusedError as error:
        raise ConfigError(
            f"The logits of this model are not a norm and linear maps of its stream: {error}."
        ) from None
    return Plan(sites, outside, unembed, trace.in_place)


def _name_embeddings(trace: Trace, ids: Tensor) -> tuple[str, ...]:
    """The names of what block 0 reads: the tokens' embeddings, or their sum with positions'."""
    start, names = trace.states[0].inputs[0].root(), ("hook_embed", "hook_pos_embed")
    of_tokens = [any(n.value is ids for n in node.ancestors()) for node in start.inputs]
    if start.kind == "add" and sorted(of_tokens) == [False, True]:
        return names if of_tokens[0] else names[::-1]
    return names[:1]


def _find_site(trace: Trace, layer: int) -> Site:
    added = _name_writes(trace, layer)
    writes = [tuple(f"hook_{name}_out" for name in terms) for terms in added]
    site = Site(f"blocks.{layer}.", writes)
    written = {name: node for terms in added for name, node in terms.items()}
    if len(added) == 2:
        (last,), first = added[1].values(), trace.writes[layer][:1]
        site.has_mid = any(n.kind == "stream" and n.inputs == first for n in last.ancestors())
    for name, z, ln in (("attn", "attn.hook_z", "ln1"), ("mlp", "mlp.hook_post", "ln2")):
        if name not in written:
            site.refused |= dict.fromkeys(
                (f"hook_{name}_out", z), "the block adds none to the stream"
            )
            continue
        reader = _find_reader(written[name])
        if reader and reader not in site.norms.values():
            site.norms[ln] = reader
        try:
            _find_output_map(site, written[name], z, f"{ln}_post")
        except _RefusedError as error:
            site.refuse(z, str(error))
    return site


def _name_writes(trace: Trace, layer: int) -> list[dict[str, Node]]:
    """What each addition of a block adds, by name. A sum of attention and MLP gives its terms."""
    added = trace.writes[layer]
    if len(added) not in (1, 2):
        raise ConfigError(
            f"Block {layer} adds to the residual stream {len(added)} times. Hook names fit one or "
            f"two additions: attention's, and an MLP's."
        )
    whole = added[0].root()
    if len(added) == 1 and whole.kind == "add":
        parts = {"attn" if trace.mixes(part) else "mlp": part for part in whole.inputs}
        if len(parts) == 2 and all(
            part.value.shape == whole.value.shape for part in parts.values()
        ):
            return [parts]
    mixes = [trace.mixes(node) for node in added]
    names = ["attn" if mixes[0] else "mlp"] if len(added) == 1 else ["attn", "mlp"]
    names = names[::-1] if mixes == [False, True] else names
    return [{name: node} for name, node in zip(names, added, strict=True)]


def _find_reader(written: Node) -> nn.Module | None:
    """The one norm through which a layer reads the stream, if there is one."""
    nodes = [node for node in written.ancestors() if node.root().kind != "stream"]
    readers = [n for n in nodes if any(given.root().kind == "stream" for given in n.inputs)]
    modules = {node.module for node in readers}
    module = modules.pop() if len(modules) == 1 else None
    return module if module and probe_norm(module, written.value) else None


def _walk_back(node: Node) -> Iterator[tuple[Linear | nn.Module, Node, float | None]]:
    """Walk back from a tensor through the linear maps and norms that made it, the last first.

    Yields:
        A map or norm; its input; and the number that its output was multiplied with, or None where
        something else than a number stands between its output and what follows.

    Raises:
        _RefusedError: another activation is added to an output. It may be 0 now and not later, as
            what an adapter adds before it is trained.
    """
    while True:
        found = ((made, _match_linear(made) or _match_norm(made)) for made in node.ancestors())
        output, what = next((pair for pair in found if pair[1]), (node, None))
        if what is None:
            return
        if _adds_another(node, output):
            raise _RefusedError("another activation is added to what its last linear map gives")
        yield what, output.inputs[0], find_factor(node.value, output.value)
        node = output.inputs[0]


def _adds_another(node: Node, output: Node) -> bool:
    """Whether another activation is added to an output on its way to a tensor."""
    made_of_it = {given for given in node.inputs if output in given.ancestors()}
    if node.kind == "add" and any(
        made.kind == "stream" for given in {*node.inputs} - made_of_it for made in given.ancestors()
    ):
        return True
    return any(_adds_another(given, output) for given in made_of_it)


def _match_linear(node: Node) -> Linear | None:
    """The linear map that made a tensor, if one did. One row of its input tells its orientation."""
    weight = getattr(node.module, "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim != 2 or not weight.is_floating_point():
        return None
    given, output = (tensor.value.flatten(0, -2)[-1:] for tensor in (node.inputs[0], node))
    linears = (Linear(node.module, True), Linear(node.module, False))
    fits = (linear for linear in linears if len(linear.weight()) == given.shape[-1])
    return next((fit for fit in fits if find_factor(output, fit.apply(given)) is not None), None)


def _match_norm(node: Node) -> nn.Module | None:
    return node.module if node.module and probe_norm(node.module, node.value) else None


def _find_output_map(site: Site, written: Node, z: str, behind: str) -> None:
    """Find the last linear map before a write, its input, and the norm after it, if any."""
    factor, norm = 1.0, None
    for what, source, number in _walk_back(written):
        if number is None or (norm and not isinstance(what, Linear)):
            raise _RefusedError("it is not what one linear map gives, times a number")
        factor *= number
        if isinstance(what, Linear):
            if z == "attn.hook_z":
                _find_heads(site, source)
            elif up := _find_up_projection(source):
                site.outputs["mlp.hook_pre"] = up
            site.linears[z] = replace(what, factor=factor)
            site.norms |= {behind: norm} if norm else {}
            return
        norm = what
    raise _RefusedError("no linear map made what is added to the stream")


def _find_unembed(outside: Site, logits: Node) -> list[Linear]:
    """Find the final norm and the linear maps after it. The logits may be capped after them."""
    linears: list[Linear] = []
    factor = 1.0
    for what, source, number in _walk_back(logits):
        if isinstance(what, Linear):
            if not linears and number is None:
                outside.outputs["unembed.hook_out"], number = what.module, 1.0
            linears.insert(0, what)
        if number is None:
            raise _RefusedError("more than a norm and linear maps is between stream and logits")
        factor *= number
        if not isinstance(what, Linear) and linears and source.root().kind == "stream":
            linears[-1] = replace(linears[-1], factor=factor)
            outside.norms["ln_final"] = what
            outside.linears["unembed.hook_in"] = linears[0]
            return linears
    raise _RefusedError("no norm reads the stream after the last block")


def _find_heads(site: Site, z: Node) -> None:
    """Find the attention that made z: its heads, and its calls (scores, softmax, product)."""
    mix = next((n for n in z.ancestors() if n.kind == "sdpa" or _find_softmax(n)), None)
    if mix is None:
        raise _RefusedError("no softmax over keys made it: this mixer is not attention")
    pos, d_head = mix.value.shape[-2:]
    beside = mix.value.reshape(2, -1, pos, d_head).transpose(1, 2).reshape(2, pos, -1)
    if not _is_layout(z, beside):
        raise _RefusedError("its heads do not stand side by side before the last linear map")
    site.heads = (beside.shape[-1] // d_head, d_head)
    softmax = _find_softmax(mix)
    if softmax is None:
        site.calls[mix.kind, mix.at] = "sdpa"
    else:
        scores = next((n for n in softmax.ancestors() if n.kind == "matmul"), softmax)
        for node, name in ((scores, "scores"), (softmax, "softmax"), (mix, "mix")):
            site.calls[node.kind, node.at] = name
    values = mix.inputs[1 if softmax else 2].value
    values = values.reshape(2, -1, *values.shape[-2:])
    groups = values.shape[1] // torch.unique(values, dim=1).shape[1]
    in_a_row = values[:, ::groups].repeat_interleave(groups, 1)
    site.groups = groups if torch.equal(values, in_a_row) else 1


def _is_layout(node: Node, beside: Tensor) -> bool:
    """Whether a tensor is `beside`, or is computed from it elementwise: by gates or factors."""
    if node.value.numel() != beside.numel() or node.kind == "stream" or _match_linear(node):
        return False
    if torch.equal(node.value.reshape(beside.shape), beside):
        return True
    elementwise = node.kind in ("same", "mul", "mul_", "div", "module")
    return elementwise and any(_is_layout(given, beside) for given in node.inputs)


def _find_softmax(mix: Node) -> Node | None:
    """The softmax over [.., query, key] with which a product mixes values."""
    node = mix.inputs[0] if mix.kind == "matmul" and mix.inputs else mix
    while node.kind in ("same", "shape", "__getitem__") and node.inputs:
        node = node.inputs[0]
    return node if node.kind == "softmax" and node.value.ndim >= 3 else None


def _find_up_projection(post: Node) -> nn.Module | None:
    """The linear map before an MLP's activation function, unless a gate joins it."""
    node = post
    while not (linear := _match_linear(node)) and len(node.inputs) == 1 and node.kind != "stream":
        node = node.inputs[0]
    return linear.module if linear else None
