"""Wrap any decoder of `transformers`, with the hook points and analyses of `HookedTransformer`.

`wrap` follows the model once, plans where its activations are, and then has it prove itself on
random tokens: what fails a law is not offered. The model is not copied, moved or changed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minicache.analysis.components import Writes, head_writes, neuron_writes
from minicache.analysis.residual import stream_at
from minicache.bridge.follow import Run
from minicache.bridge.probe import Linear, Plan, Site, Trace, make_plan
from minicache.cache import ActivationCache
from minicache.errors import ArgumentTypeError, ConfigError
from minicache.hooks import HookedRootModule, HookPoint
from minicache.model import HookedTransformer, text
from minicache.model.inputs import check_has_target, next_token_loss, real_tokens
from minicache.model.tokenizers import Tokenizer
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


def _sizes(plan: Plan, n_ctx: int) -> WrappedConfig:
    heads = next((site.heads for site in plan.sites if site.out), (0, 0))
    d_mlp = next((len(site.down.weight()) for site in plan.sites if site.down), 0)
    attn_only = not any("hook_mlp_out" in names for site in plan.sites for names in site.writes)
    d_model = len(plan.unembed[0].weight())
    d_vocab = len(plan.unembed[-1].bias())
    return WrappedConfig(len(plan.sites), d_model, n_ctx, d_vocab, *heads, d_mlp, attn_only)


class Text:
    """A tokenizer of `transformers` as minicache uses one: special tokens only where asked for."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        end = tokenizer.eos_token_id
        bos, pad = tokenizer.bos_token_id, tokenizer.pad_token_id
        self.bos_token_id: int | None = end if bos is None else bos
        self.pad_token_id: int | None = end if pad is None else pad

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(tokens))


class Part(nn.Module):
    """Hook points of one part of the model, and its weights, read where they are when asked for."""

    def __init__(self, hooks: list[str], **weights: Callable[[], Any]) -> None:
        super().__init__()
        self._weights = weights
        for name in hooks:
            setattr(self, f"hook_{name}", HookPoint())

    def __getattr__(self, name: str) -> Any:
        weights: Mapping[str, Callable[[], Any]] = self.__dict__.get("_weights", {})
        return weights[name]() if name in weights else super().__getattr__(name)


class WrappedModel(HookedRootModule):
    """A decoder of `transformers` with hook points. `wrap` makes one.

    Attributes:
        model: The model itself.
        refused: What is not offered, by name, with the reason.
    """

    def __init__(
        self, model: Any, tokenizer: Any, plan: Plan, blocks: list[nn.Module], n_ctx: int
    ) -> None:
        super().__init__()
        self.model, self.cfg = model, _sizes(plan, n_ctx)
        self.tokenizer: Tokenizer | None = Text(tokenizer) if callable(tokenizer) else tokenizer
        self.training = model.training
        self.plan, self.followed, self.refused = plan, blocks, plan.refused
        for name in plan.embeds:
            setattr(self, name, HookPoint())
        self.blocks = nn.ModuleList(
            self._block(layer, site) for layer, site in enumerate(plan.sites)
        )
        self.ln_final = self._norm(plan.final)
        self.unembed = Part(["in", "out"])
        self.setup()

    def _block(self, layer: int, site: Site) -> Part:
        written = [name.removeprefix("hook_") for names in site.writes for name in names]
        block = Part(["resid_pre", *written, *["resid_mid"] * site.has_mid, "resid_post"])
        for name, norm in site.norms.items():
            setattr(block, name, self._norm(norm))
        met = ["q", "k", "v", "attn_scores", "pattern"] if site.calls else []
        block.attn = self._writer(layer, [*met, "z"], site.out, "W_O", site.heads)
        block.mlp = self._writer(
            layer, [*["pre"] * bool(site.up), "post"], site.down, "W_out", None
        )
        return block

    def _norm(self, norm: nn.Module) -> Part:
        def of(name: str) -> Any:
            return getattr(self.plan.frozen(norm, self.model.get_input_embeddings().weight), name)

        return Part(
            ["scale", "normalized"], **{n: partial(of, n) for n in ("w", "b", "eps", "centred")}
        )

    def _writer(
        self, layer: int, hooks: list[str], linear: Linear | None, name: str, heads: Any
    ) -> Part:
        where = f"blocks.{layer}.attn.hook_z" if heads else f"blocks.{layer}.mlp.hook_post"

        def refuse() -> Tensor:
            why = self.refused.get(
                where, self.refused.get(f"blocks.{layer}.hook_{where.split('.')[2]}_out")
            )
            raise ConfigError(f"Block {layer} has no {name}: {why}.")

        def weight() -> Tensor:
            assert linear is not None
            weights = linear.weight()
            return weights.view(*heads, -1) if heads else weights

        if linear is None:
            return Part([], **{name: refuse, f"b_{name[2:]}": refuse})
        return Part(hooks, **{name: weight, f"b_{name[2:]}": linear.bias})

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
        again = any(getattr(m, "gradient_checkpointing", False) for m in self.model.modules())
        if points and again and self.model.training:
            raise ConfigError(
                "Gradient checkpointing runs blocks once more in the backward pass, without hooks. "
                "Switch it off, or call model.eval()."
            )
        if not points:
            return cast(Tensor, run().logits)
        follow = Run(self.followed, self.plan, points, tokens.shape)
        with follow.on(follow.sites()):
            logits: Tensor = run().logits
        return logits if self.plan.is_capped else follow.show("unembed.hook_out", logits)

    def run_with_cache(
        self, *model_args: Any, return_cache_object: bool = True, **kwargs: Any
    ) -> tuple[Any, Any]:
        """Run the model, and return its output and an `ActivationCache` of the run.

        See `HookedRootModule.run_with_cache`; `return_cache_object=False` gives the plain dict.
        """
        output, entries = super().run_with_cache(*model_args, **kwargs)
        batched = not kwargs.get("remove_batch_dim", False)
        cache = ActivationCache(entries, self, batched) if return_cache_object else entries
        return output, cache

    to_tokens = text.to_tokens
    to_string = text.to_string
    to_str_tokens = text.to_str_tokens
    to_single_token = text.to_single_token
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
    """Give any decoder of `transformers` hook points, once it has proved the laws.

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
        for blocks in lists:  # a list that text does not go through is of another modality
            trace = Trace(blocks)
            with trace.on(trace.sites(model)):
                logits = model(input_ids=twice, use_cache=False).logits
            if trace.start:
                break
        else:
            raise ConfigError(f"{type(model).__name__} runs tokens through no list of blocks.")
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
    sizes = {id(one): sum(p.numel() for p in one.parameters()) for one in lists}
    found = [list(one) for one in sorted(lists, key=lambda one: -sizes[id(one)])]
    if not found or len({*found[0]}) < len(found[0]):
        raise ConfigError(f"{type(model).__name__} has no list of blocks that each run once.")
    return found


def _refuse_what_fails(wrapped: WrappedModel, ids: Tensor) -> bool:
    """Have a model prove the laws. Heads and neurons that fail are refused, by name.

    Raises:
        ConfigError: a law that everything else rests on fails.
    """
    plan, n_layers = wrapped.plan, wrapped.cfg.n_layers
    plain = wrapped.model(input_ids=ids, use_cache=False, output_hidden_states=True)
    device = None if len({p.device for p in wrapped.model.parameters()}) == 1 else "cpu"
    logits, cache = wrapped.run_with_cache(ids, device=device)
    if not torch.equal(logits.nan_to_num(), plain.logits.nan_to_num()):
        raise ConfigError(
            "Hooks that change nothing change the logits: a call depends on them, or is random."
        )
    _check_sums(cache)
    states = plain.hidden_states or ()
    for layer, state in enumerate(states[:n_layers]):
        # Some models list the stream before each block, some behind each.
        ends = (cache["resid_pre", layer], cache["resid_post", layer])
        _check(
            "the stream is not its hidden_states",
            [min(_off(state.to(end), end) for end in ends)],
            cache,
        )
    targets = ids.roll(1, 1)
    parts = cast(Tensor, cache.decompose_resid())
    shares = cache.logit_attrs(parts, targets).sum(0)
    got = shares + cache.logit_constant(targets)
    want = cache["unembed.hook_out"].gather(-1, targets.to(got.device)[..., None])[..., 0]
    factor = plan.unembed[-1].factor if plan.is_capped else 1
    _check("shares do not sum to the logits", [_off(got, want * factor)], cache)
    _check_replacing(wrapped, ids, logits)
    failed = {}
    for layer, site in enumerate(plan.sites):
        if site.out and (
            off := _off_by(head_writes(cache, layer, Slice()), cache["attn_out", layer])
        ):
            site.out, site.calls = None, {}
            failed[f"blocks.{layer}.attn.hook_z"] = f"heads miss attn_out by {off:.0%}"
        if site.down and (
            off := _off_by(neuron_writes(cache, layer, Slice(), Slice()), cache["mlp_out", layer])
        ):
            site.down = None
            failed[f"blocks.{layer}.mlp.hook_post"] = f"neurons miss mlp_out by {off:.0%}"
    plan.refused |= failed
    return bool(failed)


def _off(got: Tensor, want: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return float((got - want).abs().max() / want.abs().max())


def _precision(dtype: torch.dtype, terms: int) -> float:
    return max(1e-5, 2 * float(torch.finfo(dtype).eps) * math.sqrt(terms))


def _check(what: str, offs: list[float], cache: ActivationCache) -> None:
    tolerance = _precision(cache["resid_pre", 0].dtype, 2 * cache.model.cfg.n_layers + 2)
    if not max(offs) <= tolerance:
        raise ConfigError(f"This model cannot be wrapped: {what}; off by {max(offs):.1%}.")


def _check_sums(cache: ActivationCache) -> None:
    places = range(cache.model.cfg.n_layers + 1)
    streams = [stream_at(cache, place) for place in places]
    sums = [cache.decompose_resid(place).sum(0) for place in places]
    _check("parts do not sum to the stream", [*map(_off, sums, streams)], cache)


def _off_by(writes: Writes, want: Tensor) -> float | None:
    """How far heads or neurons are from the sum that they should have, if too far."""
    got = torch.einsum("...pd,pdm->...m", writes.acts, writes.weights.to(writes.acts))
    got = (writes.norm.apply(got[None])[0] if writes.norm else got) + writes.bias.to(got)
    off = _off(got, want)
    return None if off <= _precision(want.dtype, 4) else off


def _check_replacing(wrapped: WrappedModel, ids: Tensor, logits: Tensor) -> None:
    """Replace everything: item 0 by copies, item 1's writes by something else too."""

    def replace(tensor: Tensor, hook: HookPoint) -> Tensor:
        new = tensor.clone()
        if (hook.name or "").endswith("_out") and "blocks" in (hook.name or ""):
            new[1] += tensor[1].std()
        return new

    with wrapped.hooks(fwd_hooks=[(lambda name: True, replace)]):
        again, cache = wrapped.run_with_cache(ids)
    _check_sums(cache)
    if torch.finfo(logits.dtype).bits > 16:  # rounding may send a token to another expert there
        _check("copies of its activations give other logits", [_off(again[0], logits[0])], cache)
