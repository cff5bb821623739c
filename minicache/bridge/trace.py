"""Trace one pass on random tokens: what was written to the stream, and what made each tensor.

Each tensor is a `Node`, which knows the call that made it and what that call was given. So one can
walk back from a write, or from the logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from minicache.bridge.follow import Follow, ModuleHooks, changes_in_place
from minicache.errors import ConfigError

__all__ = ["Node", "Trace"]


@dataclass(eq=False)
class Node:
    """One tensor of a traced pass, and what made it.

    Attributes:
        kind: As in `KINDS`, or the function's own name, `"module"` (one without children),
            `"stream"` (an addition to it, or its start), or `"given"`.
        at: Which call of its kind in its block it was.
    """

    kind: str
    value: Tensor
    inputs: list[Node] = field(default_factory=list)
    at: int = 0
    module: nn.Module | None = None

    def root(self) -> Node:
        """This, before it was viewed or moved."""
        return self.inputs[0].root() if self.kind == "same" else self

    def ancestors(self) -> Iterator[Node]:
        """This and what it was made from, the nearest first, as far back as the stream."""
        queue, seen = [self], {self}
        for node in queue:
            yield node
            new = [given for given in node.inputs if node.kind != "stream" and given not in seen]
            queue += dict.fromkeys(new)
            seen.update(new)


class Trace(Follow):
    """Follow one pass over a batch of two, and note every call.

    At block 0 and after each write, item 1 is made equal to item 0, except at position 0. So when
    what is written differs between the items at another position, it depends on position 0: it
    mixes positions, as attention does and an MLP does not.
    """

    def __init__(self, blocks: Iterable[nn.Module], batch_and_pos: torch.Size) -> None:
        super().__init__(blocks)
        self.lead = batch_and_pos
        self.nodes: dict[int, Node] = {}
        self.writes: list[list[Node]] = [[] for _ in self.blocks]
        self.states: list[Node] = []  # the stream at block 0, and after each write
        self.in_place = False

    def node(self, value: Tensor) -> Node:
        return self.nodes.setdefault(id(value), Node("given", value))

    def call(self, func: Any, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        flat = tree_leaves((args, kwargs))
        inputs = [self.node(value) for value in flat if isinstance(value, Tensor)]
        if func.__name__.endswith("_as"):  # of the second it takes no values: shape, or dtype
            inputs = inputs[:1]
        in_place = changes_in_place(func.__name__) and inputs
        if in_place:
            inputs[0].value = inputs[0].value.clone()
        out = func(*args, **kwargs)
        for result in tree_leaves(out):
            if isinstance(result, Tensor) and (in_place or not any(result is v for v in flat)):
                node = Node(kind, result, inputs, self.count[kind])
                if kind == "same":  # a part is another tensor; `mask.to(stream)` reads the mask
                    is_whole = result.numel() == inputs[0].value.numel()
                    node.kind = kind if is_whole else func.__name__
                    node.inputs = inputs[:1]
                self.nodes[id(result)] = node
        return out

    def write(self, func: Any, operands: tuple[Any, ...], alpha: float) -> Tensor:
        written = operands[1 if self.holds(operands[0]) else 0]
        if not isinstance(written, Tensor) or self.holds(written) or alpha != 1:
            raise ConfigError(
                f"Block {self.layer} adds to its residual stream a number, the stream itself, or "
                f"an activation times alpha. Only a plain sum with an activation can be followed."
            )
        node = self.node(written)
        node.value = written.clone()
        self.writes[self.layer or 0].append(node)
        self.in_place |= func.__name__ == "add_"
        return self.disturb(func(*operands), node)

    def enter(self, layer: int, stream: Tensor) -> Tensor:
        super().enter(layer, stream)
        return stream if layer else self.disturb(stream.clone(), self.node(stream))

    def disturb(self, stream: Tensor, made_of: Node) -> Tensor:
        """Make item 1 equal to item 0 except at position 0. This is the stream from now on."""
        if stream.shape[:-1] not in (self.lead, (self.lead.numel(),)):
            raise ConfigError(
                f"Block {self.layer} reads or makes a stream of shape {tuple(stream.shape)} for "
                f"tokens of shape {tuple(self.lead)}. One vector for each token can be followed, "
                f"in the tokens' order. Such a model cannot be wrapped."
            )
        items = stream.view(*self.lead, -1) if stream.ndim == 2 else stream
        noise = torch.linspace(-3, 2, stream.shape[-1]).roll(7 * len(self.states)).to(stream)
        items[1] = items[0]
        items[1, 0] = noise * (items[0].std() + 1e-3)
        self.stream = [stream]
        self.states.append(Node("stream", stream, [made_of]))
        self.nodes[id(stream)] = self.states[-1]
        return stream

    def mixes(self, node: Node) -> bool:
        """Whether a tensor depends on other positions of the stream than its own."""
        first, second = node.value.float().view(2, -1, node.value.shape[-1])[:, 1:]
        return bool((first - second).abs().max() > 0.02 * first.abs().max())

    def sites(self, model: nn.Module) -> Iterator[ModuleHooks]:
        """Hooks that note the output of each module without children."""
        return ((m, None, self._note) for m in model.modules() if not list(m.children()))

    def _note(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        given = next((v for v in (*args, *kwargs.values()) if isinstance(v, Tensor)), None)
        node = self.nodes.get(id(output))
        if given is not None and node and output is not given and node.kind != "softmax":
            self.nodes[id(output)] = Node("module", output, [self.node(given)], 0, module)
