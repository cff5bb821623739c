"""Wrap any decoder of `transformers`, with the hook points and analyses of `HookedTransformer`.

`wrap` follows the model once, plans where its activations are, and then checks the laws of the
analyses on random tokens. What fails a law is not offered. The model is not copied, moved or
changed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minicache.analysis.components import head_writes, neuron_writes
from minicache.analysis.residual import stream_at
from minicache.bridge.follow import Run
from minicache.bridge.probe import Plan, Trace, make_plan
from minicache.cache import ActivationCache
from minicache.errors import ArgumentTypeError, ConfigError
from minicache.hooks import HookedRootModule, HookPoint
from minicache.model import HookedTransformer, text
from minicache.model.inputs import check_has_target, next_token_loss, real_tokens
from minicache.model.tokenizers import Tokenizer, TransformersTokenizer
from minicache.model.transformer import Output
from minicache.slices import Slice

__all__ = ["WrappedConfig", "WrappedModel", "wrap"]


@dataclass(frozen=True)
class WrappedConfig:
    """Sizes. Where blocks differ, `n_heads`, `d_head` and `d_mlp` are the first's."""

    n_layers: int
    d_model: int
    n_ctx: int
    d_vocab: int
    n_heads: int
    d_head: int
    d_mlp: int
    attn_only: bool


def _read_sizes(plan: Plan, n_ctx: int) -> WrappedConfig:
    heads = next((site.heads for site in plan.sites if site.calls), (0, 0))
    downs = [
        site.linears["mlp.hook_post"] for site in plan.sites if "mlp.hook_post" in site.linears
    ]
    d_mlp = len(downs[0].weight()) if downs else 0
    attn_only = not any("hook_mlp_out" in site.names() for site in plan.sites)
    d_model = len(plan.unembed[0].weight())
    d_vocab = len(plan.unembed[-1].bias())
    return WrappedConfig(len(plan.sites), d_model, n_ctx, d_vocab, *heads, d_mlp, attn_only)


class Part(nn.Module):
    """Hook points of one part of the model, and its weights, read where they are when asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: dict[str, Callable[[], Any]] = {}

    def __getattr__(self, name: str) -> Any:
        weights: Mapping[str, Callable[[], Any]] = self.__dict__.get("weights", {})
        return weights[name]() if name in weights else super().__getattr__(name)


class WrappedModel(HookedRootModule):
    """A decoder of `transformers` with hook points. `wrap` makes one.

    Attributes:
        model: The model itself.
        plan: Where its activations are.
        followed: Its blocks.
    """

    def __init__(
        self, model: Any, tokenizer: Any, plan: Plan, blocks: list[nn.Module], n_ctx: int
    ) -> None:
        super().__init__()
        self.model, self.cfg = model, _read_sizes(plan, n_ctx)
        self.tokenizer: Tokenizer | None = (
            TransformersTokenizer(tokenizer) if callable(tokenizer) else tokenizer
        )
        self.training = model.training
        self.plan, self.followed = plan, blocks
        self.blocks = nn.ModuleList(Part() for _ in plan.sites)
        for site in (plan.outside, *plan.sites):
            for name in site.names():
                path, _, hook = (site.prefix + name).rpartition(".")
                setattr(self._part(path), hook, HookPoint())
            for name, norm in site.norms.items():
                weights = self._part(site.prefix + name).weights
                weights |= {
                    w: partial(self._of_norm, norm, w) for w in ("w", "b", "eps", "centred")
                }
        for site in plan.sites:
            self._part(f"{site.prefix}attn").weights |= {
                "W_O": lambda at=site: at.linear("attn.hook_z").weight().view(*at.heads, -1),
                "b_O": lambda at=site: at.linear("attn.hook_z").bias(),
            }
            self._part(f"{site.prefix}mlp").weights |= {
                "W_out": lambda at=site: at.linear("mlp.hook_post").weight(),
                "b_out": lambda at=site: at.linear("mlp.hook_post").bias(),
            }
        self.setup()

    @property
    def refused(self) -> dict[str, str]:
        """What is not offered, by name, with the reason."""
        sites = self.plan.sites
        return {site.prefix + name: why for site in sites for name, why in site.refused.items()}

    def _part(self, path: str) -> Any:
        """The part of this name. A missing one is created."""
        part: nn.Module = self
        for step in filter(None, path.split(".")):
            if step not in part._modules:
                part.add_module(step, Part())
            part = cast(nn.Module, part._modules[step])
        return part

    def _of_norm(self, norm: nn.Module, what: str) -> Any:
        return getattr(self.plan.frozen(norm, self.W_E), what)

    def forward(
        self,
        input: Any,
        return_type: Literal["logits", "loss", "both"] | None = "logits",
        prepend_bos: bool = True,
        **model_kwargs: Any,
    ) -> Any:
        """Run the model.

        Args:
            input: Text (see `to_tokens`), or tokens.
            return_type: `"logits"`, `"loss"`, `"both"` or None, as `HookedTransformer` has them.
            model_kwargs: For the model itself: `attention_mask`, `position_ids`.

        Raises:
            TokenError: the input is empty, too long, out of the vocabulary or of the wrong type.
            ConfigError: an unknown `return_type`.
            HookError: the model does not add to its stream as it did when it was wrapped.
        """
        if return_type not in ("logits", "loss", "both", None):
            raise ConfigError(
                f"return_type={return_type!r}: give 'logits', 'loss', 'both' or None."
            )
        tokens, lengths = text.read(self, input, prepend_bos)
        real = None
        if return_type in ("loss", "both"):
            real = real_tokens(tokens, self.tokenizer, lengths, model_kwargs.get("attention_mask"))
            check_has_target(tokens, real)
        points = {
            name: point
            for name, point in self.hook_dict.items()
            if any(a.acts_here() for a in (*point.fwd_hooks, *point.bwd_hooks))
        }
        logits = self._run(tokens.to(self.device), points, model_kwargs)
        if return_type in ("logits", None):
            return None if return_type is None else logits
        loss = next_token_loss(logits, tokens, real)
        return loss if return_type == "loss" else Output(logits, loss)

    def _run(
        self, tokens: Tensor, points: dict[str, HookPoint], model_kwargs: dict[str, Any]
    ) -> Tensor:
        run = partial(self.model, input_ids=tokens, use_cache=False, **model_kwargs)
        modules = self.model.modules()
        recomputes = any(getattr(module, "gradient_checkpointing", False) for module in modules)
        if points and recomputes and self.model.training:
            raise ConfigError(
                "Gradient checkpointing runs blocks a second time in the backward pass, and hooks "
                "would not act there. Switch it off, or call model.eval()."
            )
        if not points:
            return cast(Tensor, run().logits)
        follow = Run(self.followed, self.plan, points, tokens.shape)
        with follow.on(follow.sites()):
            logits: Tensor = run().logits
            return logits if self.plan.outside.outputs else follow.show("unembed.hook_out", logits)

    run_with_cache = cast(Any, HookedTransformer.run_with_cache)
    to_tokens = text.to_tokens
    to_string = text.to_string
    to_str_tokens = text.to_str_tokens
    to_single_token = text.to_single_token
    to_token_ids = text.to_token_ids
    tokens_to_residual_directions = HookedTransformer.tokens_to_residual_directions

    @property
    def device(self) -> torch.device:
        """Where tokens go."""
        return self.W_E.device

    @property
    def W_E(self) -> Float[Tensor, "d_vocab d_model"]:
        """The tokens' embeddings, before any factor."""
        return cast(Tensor, self.model.get_input_embeddings().weight)

    @property
    def W_U(self) -> Float[Tensor, "d_model d_vocab"]:
        """The unembedding, times the factor that the logits are given."""
        first, *rest = (linear.weight() for linear in self.plan.unembed)
        for weight in rest:
            first = first @ weight
        return first

    @property
    def b_U(self) -> Float[Tensor, " d_vocab"]:
        """The unembedding's bias."""
        first, *rest = self.plan.unembed
        bias = first.bias()
        for linear in rest:
            bias = bias @ linear.weight() + linear.bias()
        return bias


@torch.no_grad()
def wrap(model: Any, tokenizer: Any = None) -> WrappedModel:
    """Give any decoder of `transformers` hook points, once the laws are checked on it.

    Args:
        model: An instance of any `AutoModelForCausalLM`. It is used as it is, where it is.
        tokenizer: Its own, from `AutoTokenizer`. Without one, give tokens.

    Raises:
        ConfigError: its residual stream is no sum of what its blocks add, or it fails a law.
    """
    lists = _block_lists(model)
    n_ctx = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 0
    n_ctx = n_ctx if n_ctx > 0 else sys.maxsize  # some have no limit
    embeddings = model.get_input_embeddings().weight
    generator = torch.Generator().manual_seed(0)
    known = min(len(embeddings), getattr(model.config.get_text_config(), "vocab_size", sys.maxsize))
    ids = torch.randint(known, (2, min(7, n_ctx)), generator=generator)
    ids = ids.to(embeddings.device)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        twice = ids[:1].repeat(2, 1)
        for blocks in lists:  # a list that text does not go through may be for images or sound
            trace = Trace(blocks)
            with trace.on(trace.sites(model)):
                logits = model(input_ids=twice, use_cache=False).logits
            if trace.states:
                break
        else:
            raise ConfigError(
                f"{type(model).__name__} ran tokens through none of its lists of modules, so it "
                f"has no blocks to follow."
            )
        plan = make_plan(trace, logits, twice)
        wrapped = WrappedModel(model, tokenizer, plan, blocks, n_ctx)
        if _refuse_what_fails(wrapped, ids):
            wrapped = WrappedModel(model, tokenizer, plan, blocks, n_ctx)
    finally:
        for module, training in modes:
            module.training = training
    wrapped.training = model.training
    return wrapped


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
    if hasattr(model, "_orig_mod"):
        raise ConfigError("A compiled model hides its additions. Wrap the model that was compiled.")
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
    _check_replacing(wrapped, ids, logits)
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


def _check_replacing(wrapped: WrappedModel, ids: Tensor, logits: Tensor) -> None:
    """Check that hooks can replace all: item 0 by equal copies, item 1's writes by other values."""

    def replace(tensor: Tensor, hook: HookPoint) -> Tensor:
        new = tensor.clone()
        if (hook.name or "").endswith("_out") and "blocks" in (hook.name or ""):
            new[1] += tensor[1].std()
        return new

    with wrapped.hooks(fwd_hooks=[(lambda name: True, replace)]):
        again, cache = wrapped.run_with_cache(ids)
    _check_sums(cache)
    if torch.finfo(logits.dtype).bits > 16:  # rounding may send a token to another expert there
        off = _relative_error(again[0], logits[0])
        _check("its logits change when activations are replaced by equal copies", [off], cache)
