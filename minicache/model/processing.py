"""Rewrite a model's weights in place: analyses get simpler, and predictions stay the same.

`fold_ln` moves each LayerNorm's weight and bias into the weights that read its output.
`center_writing_weights` subtracts the mean from all that is written to the stream, which each
LayerNorm does anyway. `center_unembed` subtracts each row's mean from W_U, which adds the same
number to all logits. TransformerLens does all three when it loads a model. Here each has to be
asked for. Lesson 16 says when.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = ["center_unembed", "center_writing_weights", "fold_ln"]


@torch.no_grad()
def fold_ln(model: Any) -> None:
    """Move every LayerNorm's weight and bias into the weights that read its output, in place."""
    for block in model.blocks:
        attn = block.attn
        readers = [(attn.W_Q, attn.b_Q), (attn.W_K, attn.b_K), (attn.W_V, attn.b_V)]
        _fold(block.ln1, readers)
        if block.mlp is not None:
            _fold(block.ln2, [(block.mlp.W_in, block.mlp.b_in)])
    _fold(model.ln_final, [(model.unembed.W_U, model.unembed.b_U)])


def _fold(ln: Any, readers: list[tuple[Tensor, Tensor]]) -> None:
    for weight, bias in readers:  # [.., d_model, out] and [.., out]
        bias.add_(ln.b @ weight)
        weight.mul_(ln.w[:, None])
    ln.w.fill_(1)
    ln.b.zero_()


@torch.no_grad()
def center_writing_weights(model: Any) -> None:
    """Subtract the mean over d_model from every weight that writes to the stream, in place."""
    for weight in _find_writing_weights(model):
        weight.sub_(weight.mean(-1, keepdim=True))


def _find_writing_weights(model: Any) -> Iterator[Tensor]:
    yield from (model.embed.W_E, model.pos_embed.W_pos)
    for block in model.blocks:
        yield from (block.attn.W_O, block.attn.b_O)
        if block.mlp is not None:
            yield from (block.mlp.W_out, block.mlp.b_out)


@torch.no_grad()
def center_unembed(model: Any) -> None:
    """Subtract the mean over the vocabulary from W_U and b_U, in place. Softmax is unchanged."""
    model.unembed.W_U.sub_(model.unembed.W_U.mean(-1, keepdim=True))
    model.unembed.b_U.sub_(model.unembed.b_U.mean())
