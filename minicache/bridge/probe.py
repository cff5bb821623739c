"""Find out by a few vectors what a module computes: a norm, or a linear map.

A norm is a linear map once its scale is held fixed. So a few vectors tell whether it centres, its
weight (`w` or `1 + w`) and its bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Frozen", "Linear", "find_factor", "probe_norm"]


@dataclass(frozen=True)
class Frozen:
    """A norm as a linear map: y = w * (x - its mean, if it centres) / scale + b."""

    w: Tensor
    b: Tensor
    eps: float
    centred: bool

    def centre(self, x: Tensor) -> Tensor:
        return x - x.mean(-1, keepdim=True) if self.centred else x

    def scale(self, centred: Tensor) -> Tensor:
        """What it divides by: [.., 1]."""
        squares: Tensor = torch.linalg.vecdot(centred, centred)
        return (squares / centred.shape[-1] + self.eps).sqrt()[..., None]


@torch.no_grad()
def probe_norm(module: nn.Module, like: Tensor) -> Frozen | None:
    """Find out by a few vectors, as wide as `like`, which norm a module is. None: it is no norm."""
    if like.ndim == 0 or like.shape[-1] < 3:
        return None  # narrower, a norm gives no more than signs
    own = next(module.parameters(), like)
    dtype, device = own.dtype, like.device if own.is_meta else own.device
    signs = 1.0 - 2 * (torch.arange(like.shape[-1], dtype=torch.float64) % 2)
    signs[-3:] += torch.tensor([0.0, 2.0, -3.0]) * (len(signs) % 2)  # so that their mean is 0
    other = torch.linspace(-1, 2, len(signs), dtype=torch.float64).sin() * 2
    large = signs * (2**6 if dtype == torch.float16 else 2**20)  # so that eps does not count
    rows = torch.stack([large, -large, large + 2 * large.abs().max(), other, signs * 2.0**-10])
    rows = rows.to(device, dtype)
    try:
        y = module.forward(rows[None])[0].to(torch.promote_types(dtype, torch.float32))
    except Exception:
        return None  # a norm takes any vectors of this width
    x, precision = rows.to(y), max(1e-5, 8 * torch.finfo(dtype).eps)
    if y.shape != x.shape or not y.isfinite().all():
        return None
    b, odd, size = (y[0] + y[1]) / 2, (y[0] - y[1]) / 2, y.abs().max()
    w = odd * x[0].square().mean().sqrt() / x[0]
    centred = bool((y[2] - y[0]).abs().max() <= precision * size)
    small = ((w * x[4]).norm() / (y[4] - b).norm()).square() - x[4].square().mean()
    norm = Frozen(w, b, float(small.clamp_min(0)), centred)
    middle = norm.centre(x)
    again = middle / norm.scale(middle) * w + b
    return norm if (again - y).abs().max() <= precision * size else None


@dataclass(frozen=True)
class Linear:
    """A linear map of the model, and the factor behind it. Its weight is read where it is."""

    module: Any
    is_transposed: bool
    factor: float = 1.0

    def weight(self) -> Tensor:
        """[in, out]"""
        weight: Tensor = self.module.weight.detach()
        weight = weight.T if self.is_transposed else weight
        return weight if self.factor == 1 else weight * self.factor

    def bias(self) -> Tensor:
        weight = self.weight()
        bias: Tensor | None = getattr(self.module, "bias", None)
        return weight.new_zeros(weight.shape[1]) if bias is None else bias.detach() * self.factor

    def apply(self, x: Tensor) -> Tensor:
        return x.to(self.weight()) @ self.weight() + self.bias()


def find_factor(tensor: Tensor, unit: Tensor) -> float | None:
    """The number that `unit` times it is `tensor`, if there is one."""
    if tensor.numel() != unit.numel():
        return None
    precision = max(1e-5, *(8 * torch.finfo(t.dtype).eps for t in (tensor, unit)))
    tensor, unit = tensor.flatten().double(), unit.flatten().double()
    if torch.equal(tensor, unit):
        return 1.0
    number = float(tensor @ unit / (unit @ unit))
    error = (tensor - number * unit).abs().max()
    return number if error <= precision * tensor.abs().max() else None
