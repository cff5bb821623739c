"""Wrap a model once it has proved the laws.

`wrap` follows the model once, plans where its activations are, and then checks the laws of the
analyses on random tokens. What fails a law is not offered. The model is not copied, moved or
changed.
"""

from __future__ import annotations

import math
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from minicache.analysis.components import head_writes, neuron_writes
from minicache.analysis.residual import stream_at
from minicache.bridge.plan import Plan, make_plan
from minicache.bridge.trace import Trace
from minicache.bridge.wrapped import WrappedModel, check_can_follow
from minicache.cache import ActivationCache
from minicache.errors import ArgumentTypeError, ConfigError, HookError, MinicacheError
from minicache.hooks import HookPoint
from minicache.slices import Slice

__all__ = ["wrap"]


@torch.no_grad()
def wrap(model: Any, tokenizer: Any = None) -> WrappedModel:
    """Give any decoder of `transformers` hook points, once the laws are checked on it.

    The laws hold for the model as it is now. Other values of its weights may come later; after a
    change of its modules, an adapter switched on for example, wrap it again. Where a model is
    spread over several devices, `run_with_cache(.., device="cpu")` brings its activations together.

    Args:
        model: An instance of any `AutoModelForCausalLM`. It is used as it is, where it is.
        tokenizer: Its own, from `AutoTokenizer`. Without one, give tokens.

    Raises:
        ConfigError: its residual stream is no sum of what its blocks add, or it fails a law.
    """
    lists = _block_lists(model)
    text = model.config.get_text_config()
    n_ctx = getattr(text, "max_position_embeddings", None) or 0
    n_ctx = n_ctx if n_ctx > 0 else sys.maxsize  # some have no limit
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        check_can_follow(model)
        embeddings = _token_table(model)
        known = min(len(embeddings), getattr(text, "vocab_size", sys.maxsize))
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(known, (2, min(7, n_ctx)), generator=generator, device="cpu")
        ids = ids.to(embeddings.device)
        with _without_autocast(ids.device.type):  # its rounding would fail the laws
            blocks, plan = _follow(model, lists, ids[:1].repeat(2, 1))
            wrapped = WrappedModel(model, tokenizer, plan, blocks, n_ctx)
            if _refuse_what_fails(wrapped, ids):
                wrapped = WrappedModel(model, tokenizer, plan, blocks, n_ctx)
    except HookError as error:
        raise ConfigError(f"{type(model).__name__} cannot be wrapped: {error}") from error
    except MinicacheError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{type(model).__name__} failed on random tokens, or while its functions were watched: "
            f"{type(error).__name__}: {error}"
        ) from error
    finally:
        for module, training in modes:
            module.training = training
    wrapped.training = model.training
    return wrapped


def _token_table(model: Any) -> Tensor:
    """The embeddings of all tokens: [d_vocab, d_embed]."""
    found = model.get_input_embeddings()
    if not isinstance(table := getattr(found, "weight", None), Tensor):
        raise ConfigError(
            f"{type(model).__name__} keeps its input embeddings in a {type(found).__name__}, and "
            f"not in one table. A position may then be several tokens. Such a model cannot be "
            f"wrapped."
        )
    return table


def _without_autocast(device_type: str) -> AbstractContextManager[Any]:
    if not torch.is_autocast_enabled(device_type):
        return nullcontext()  # some devices have no autocast to switch off
    return torch.autocast(device_type, enabled=False)


def _follow(model: Any, lists: list[list[nn.Module]], ids: Tensor) -> tuple[list[nn.Module], Plan]:
    """The blocks that text goes through, and a plan of the model."""
    for blocks in lists:  # a list that text does not go through may be for images or sound
        trace = Trace(blocks, ids.shape)
        with trace.on(trace.sites(model)):
            logits = model(input_ids=ids, use_cache=False).logits
        if trace.states:
            return blocks, make_plan(trace, logits, ids)
    raise ConfigError(
        f"{type(model).__name__} ran tokens through none of its lists of modules, so it has no "
        f"blocks to follow."
    )


def _block_lists(model: Any) -> list[list[nn.Module]]:
    """Lists of modules that a stream may run through, those that hold most parameters first."""
    if not isinstance(model, nn.Module) or not hasattr(model, "config"):
        raise ArgumentTypeError(
            f"wrap takes a model of transformers, and not {type(model).__name__}."
        )
    if getattr(model.config, "is_encoder_decoder", False):
        raise ConfigError(
            f"{type(model).__name__} is an encoder with a decoder: it has two residual streams, "
            f"and wrap follows one. Give a decoder alone."
        )
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ConfigError(
            f"{type(model).__name__} has weights on the meta device, where they have no values. "
            f"Load it; where accelerate keeps some on the CPU or the disk, give it more devices."
        )
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) > 0]
    sizes = {id(m): sum(p.numel() for p in m.parameters()) for m in lists}
    found = [list(m) for m in sorted(lists, key=lambda m: -sizes[id(m)])]
    if not found or len({*found[0]}) < len(found[0]):
        raise ConfigError(f"{type(model).__name__} has no list of blocks that each run once.")
    return found


def _refuse_what_fails(wrapped: WrappedModel, ids: Tensor) -> bool:
    """Check the laws. Heads and neurons that fail are refused, by name.

    Returns:
        Whether any were refused.

    Raises:
        ConfigError: a law fails that all analyses need.
    """
    plan, n_layers = wrapped.plan, wrapped.cfg.n_layers
    plain = wrapped.model(input_ids=ids, use_cache=False, output_hidden_states=True)
    device = None if len({p.device for p in wrapped.model.parameters()}) == 1 else "cpu"
    logits, cache = wrapped.run_with_cache(ids, device=device)
    if not torch.equal(logits.nan_to_num(), plain.logits.nan_to_num()):
        raise ConfigError(
            "This model cannot be wrapped: its logits differ when hooks look on and change "
            "nothing. It may be random, or depend on how its functions are called."
        )
    _check_sums(cache)
    states = plain.hidden_states or ()
    for layer, state in enumerate(states[:n_layers]):
        # Some models list the stream before each block, some after each.
        ends = (cache["resid_pre", layer], cache["resid_post", layer])
        _check(
            "the stream is not its hidden_states",
            [min(_relative_error(state.to(end), end) for end in ends)],
            cache,
        )
    targets = ids.roll(1, 1)
    attributed = cache.logit_attrs(cast(Tensor, cache.decompose_resid()), targets).sum(0)
    logit = cache["unembed.hook_out"].gather(-1, targets.to(attributed.device)[..., None])[..., 0]
    off = _relative_error(attributed + cache.logit_constant(targets), logit)
    _check("attributions do not sum to the logits", [off], cache)
    _check_replacing(wrapped, ids, logits, device)
    has_failed = False
    for layer, site in enumerate(plan.sites):
        for part, name, parts in (("attn", "z", "heads"), ("mlp", "post", "neurons")):
            hook = f"{part}.hook_{name}"
            off = _error_of_parts(cache, layer, part) if hook in site.linears else 0
            if not off <= _tolerance_of(cache["resid_pre", layer].dtype, 4):
                site.refuse(hook, f"{parts} miss {part}_out by {off:.0%}")
                has_failed = True
    return has_failed


def _relative_error(got: Tensor, want: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return float((got - want).abs().max() / want.abs().max())


def _tolerance_of(dtype: torch.dtype, terms: int) -> float:
    return max(1e-5, 2 * float(torch.finfo(dtype).eps) * math.sqrt(terms))


def _check(what: str, offs: list[float], cache: ActivationCache) -> None:
    tolerance = _tolerance_of(cache["resid_pre", 0].dtype, 2 * cache.model.cfg.n_layers + 2)
    if not max(offs) <= tolerance:
        raise ConfigError(f"This model cannot be wrapped: {what}; off by {max(offs):.1%}.")


def _check_sums(cache: ActivationCache) -> None:
    places = range(cache.model.cfg.n_layers + 1)
    streams = [stream_at(cache, place) for place in places]
    sums = [cache.decompose_resid(place).sum(0) for place in places]
    _check("parts do not sum to the stream", [*map(_relative_error, sums, streams)], cache)


def _error_of_parts(cache: ActivationCache, layer: int, part: str) -> float:
    """How far heads or neurons are from the sum that they should have."""
    is_attn, want = part == "attn", cache[f"{part}_out", layer]
    every = Slice()
    writes = (
        head_writes(cache, layer, every) if is_attn else neuron_writes(cache, layer, every, every)
    )
    got = torch.einsum("...pd,pdm->...m", writes.acts, writes.weights.to(writes.acts))
    got = (writes.norm.apply(got[None])[0] if writes.norm else got) + writes.bias.to(got)
    return _relative_error(got, want)


def _check_replacing(
    wrapped: WrappedModel, ids: Tensor, logits: Tensor, device: str | None
) -> None:
    """Check that hooks can replace all: item 0 by equal copies, item 1's writes by other values."""

    def replace(tensor: Tensor, hook: HookPoint) -> Tensor:
        new = tensor.clone()
        if (hook.name or "").endswith("_out") and "blocks" in (hook.name or ""):
            new[1] += tensor[1].std()
        return new

    with wrapped.hooks(fwd_hooks=[(lambda name: True, replace)]):
        again, cache = wrapped.run_with_cache(ids, device=device)
    _check_sums(cache)
    if torch.finfo(logits.dtype).bits > 16:  # rounding may send a token to another expert there
        off = _relative_error(again[0], logits[0])
        _check("its logits change when activations are replaced by equal copies", [off], cache)
