"""Attribution patching: estimate a whole sweep of patches from one backward pass.

A patch changes an activation from its corrupted to its clean value. To first order the metric then
changes by that difference times its gradient, and one backward pass gives the gradients of every
activation at once [Nanda 2023; Syed et al. 2023]. The estimate is exact where the metric is linear
in the activation, and wrong where it is not: where a softmax or a LayerNorm saturates.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from einops import reduce
from jaxtyping import Float, Int
from torch import Tensor

from minicache.analysis.patching.runs import Metric, Patchable, check_token_tensor, measure
from minicache.analysis.patching.sweeps import check_same_shape, index_sizes
from minicache.analysis.protocols import Cached
from minicache.errors import ConfigError
from minicache.names import axes_of, get_act_name

__all__ = ["attribution_patching"]


def attribution_patching(
    model: Patchable,
    corrupted_tokens: Int[Tensor, "batch pos"],
    clean_cache: Cached,
    patching_metric: Metric,
    activation_name: str,
    index_axis_names: Sequence[str],
) -> Float[Tensor, "*index"]:
    """What `generic_activation_patch` would give with the same name and axes, estimated.

    It takes one forward and one backward pass of the corrupted tokens. No parameter's `grad` is
    touched, and parameters that need no gradient do not matter. `patching_metric` has to be
    differentiable: a logit difference is, an accuracy is not.

    Args:
        corrupted_tokens: What the patched runs would read.
        clean_cache: Where patches come from: a run of other tokens of the same shape.
        activation_name: Which activation, as `get_act_name` takes it with a layer: `"z"`.
        index_axis_names: `layer`, then the axes that a patch picks: `("layer", "pos", "head")`.

    Returns:
        The estimate of the patched metric (not of its change) for each patch.

    Raises:
        ConfigError: the axes are not of this activation, or the metric has no gradient.
        UnknownActivationError: the model has no such activation.
        MissingActivationError: the clean run did not keep it.
        BatchSizeError: the clean run has other shapes than the corrupted one.
    """
    tokens = check_token_tensor(corrupted_tokens)
    index_sizes(model, tokens, clean_cache, activation_name, index_axis_names)
    layers = range(model.cfg.n_layers)
    names = [get_act_name(activation_name, layer) for layer in layers]
    clean = [clean_cache[name] for name in names]
    axes = axes_of(names[0])
    pattern = f"batch {' '.join(axes)} -> {_kept(index_axis_names, axes)}"
    seen: dict[int, Tensor] = {}

    def keep(activation: Tensor, hook: object, layer: int) -> Tensor:
        check_same_shape(activation, clean[layer])
        # A tensor of its own, which the model certainly goes on with; and a graph starts here where
        # none has.
        own = activation.view_as(activation)
        seen[layer] = own if own.requires_grad else own.detach().requires_grad_()
        return seen[layer]

    hooks = [(name, partial(keep, layer=layer)) for layer, name in enumerate(names)]
    with torch.inference_mode(False), torch.enable_grad():
        logits = model.run_with_hooks(tokens.clone(), fwd_hooks=hooks)
        before = measure(patching_metric, logits)
        if not before.requires_grad:
            raise ConfigError(
                "patching_metric has no gradient with respect to the logits. Use one that is "
                "differentiable, such as a logit difference or a log probability."
            )
        activations = [seen[layer] for layer in layers]
        grads = torch.autograd.grad(before, activations, allow_unused=True)
    before = before.detach()
    changes = [
        _change(source.to(activation), activation.detach(), grad, before.dtype)
        for source, activation, grad in zip(clean, activations, grads, strict=True)
    ]
    return before + torch.stack([reduce(change, pattern, "sum") for change in changes])


def _change(clean: Tensor, corrupted: Tensor, grad: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Each entry's difference times its gradient."""
    if grad is None:  # the metric does not depend on it
        return torch.zeros_like(corrupted, dtype=dtype)
    difference = (clean - corrupted).to(dtype) * grad.to(dtype)
    return torch.where(clean == corrupted, torch.zeros_like(difference), difference)  # -inf - -inf


def _kept(index_axis_names: Sequence[str], axes: tuple[str, ...]) -> str:
    """The axes that a patch picks, by the names that `axes_of` gives them."""
    named = {"head_index": "head", "dest_pos": "query", "src_pos": "key"}
    kept = [named.get(name, name) for name in index_axis_names[1:]]
    if len(set(kept)) < len(kept) or not set(kept) <= set(axes):
        raise ConfigError(
            f"index_axis_names={index_axis_names!r}: this activation has the axes "
            f"{', '.join(axes)}. After 'layer', give some of them, each once; dest_pos is the "
            f"query, src_pos the key."
        )
    return " ".join(kept)
