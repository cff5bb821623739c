"""A decoder of `transformers` with the hook points and analyses of `HookedTransformer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, Final, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minicache.bridge.plan import Plan
from minicache.bridge.run import Run
from minicache.errors import ConfigError, HookError
from minicache.hooks import HookedRootModule, HookPoint
from minicache.model import HookedTransformer, text
from minicache.model.inputs import check_has_target, next_token_loss, real_tokens
from minicache.model.tokenizers import Tokenizer, TransformersTokenizer
from minicache.model.transformer import Output

__all__ = ["WrappedConfig", "WrappedModel", "check_can_follow"]

# A run is over whole texts, and gives a logit for each token: these are not a caller's to give.
_REFUSED: Final = frozenset(
    "input_ids inputs_embeds logits_to_keep past_key_values return_dict use_cache".split()
)


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


def _read_norm(plan: Plan, norm: nn.Module, model: Any, what: str) -> Any:
    return getattr(plan.frozen(norm, model.get_input_embeddings().weight), what)


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
                for what in ("w", "b", "eps", "centred"):
                    weights[what] = partial(_read_norm, plan, norm, model, what)
        for site in plan.sites:
            for part, name, suffix in (
                ("attn", "attn.hook_z", "O"),
                ("mlp", "mlp.hook_post", "out"),
            ):
                weights = self._part(site.prefix + part).weights
                weights[f"W_{suffix}"] = partial(site.weight, name)
                weights[f"b_{suffix}"] = partial(site.bias, name)
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
            ConfigError: an unknown `return_type`, an argument that a run cannot take, or a model
                that is compiled, or that checkpoints gradients.
            HookError: the model does not run as it did when it was wrapped, or dropout acts.
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
        if refused := sorted(_REFUSED.intersection(model_kwargs)):
            raise ConfigError(
                f"A run of a wrapped model cannot take {', '.join(refused)}: it is given whole "
                f"texts, and gives a logit for each token. Call the model itself for that."
            )
        run = partial(self.model, input_ids=tokens, use_cache=False, **model_kwargs)
        if not points:
            _check_names_its_output(self.model)
            return cast(Tensor, run().logits)
        check_can_follow(self.model)
        follow = Run(self.followed, self.plan, points, tokens.shape)
        with follow.on(follow.sites()):
            logits: Tensor = run().logits
            if not self.plan.outside.outputs:
                logits = follow.show("unembed.hook_out", logits)
        if missed := [name for name in points if name not in follow.reached]:
            raise HookError(
                f"This run did not reach {len(missed)} of {len(points)} hook points with hooks: "
                f"{missed[0]!r}, .. The model does not run as it did when it was wrapped. Wrap it "
                f"again as it is now."
            )
        return logits

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
        return reduce(torch.matmul, (linear.weight() for linear in self.plan.unembed))

    @property
    def b_U(self) -> Float[Tensor, " d_vocab"]:
        """The unembedding's bias."""
        first, *rest = self.plan.unembed
        return reduce(lambda bias, linear: linear.apply(bias), rest, first.bias())


def check_can_follow(model: Any) -> None:
    """Check that each addition of a model can be seen, once, and that its output has names.

    Raises:
        ConfigError: it is compiled, checkpoints gradients while it trains, or returns tuples.
    """
    for module in model.modules():
        is_compiled = "_orig_mod" in module._modules or module._compiled_call_impl is not None
        if is_compiled or hasattr(module.forward, "_torchdynamo_orig_callable"):
            raise ConfigError(
                f"{type(module).__name__} is compiled, and a compiled model hides its additions. "
                f"Wrap the model that was compiled."
            )
        if model.training and getattr(module, "gradient_checkpointing", False):
            raise ConfigError(
                "Gradient checkpointing runs blocks a second time in the backward pass, and hooks "
                "would not act there. Switch it off, or call model.eval()."
            )
    _check_names_its_output(model)


def _check_names_its_output(model: Any) -> None:
    if not getattr(model.config, "return_dict", True):
        raise ConfigError("The model returns a tuple. Set model.config.return_dict = True.")
