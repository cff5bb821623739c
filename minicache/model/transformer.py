"""A GPT-2-shaped transformer that takes text or tokens, with a hook point at every step.

`layers.py` has its modules, `text.py` turns text into tokens, and `inputs.py` checks tokens. The
model also has the short names of weights that analyses use, such as `W_U`. Lessons 1 and 2 walk
through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, overload

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Integer, Shaped
from torch import Tensor, nn

from minicache.cache import ActivationCache
from minicache.errors import (
    ConfigError,
    LayerRangeError,
    MissingParameterError,
)
from minicache.hooks import HookedRootModule, HookPoint
from minicache.model import processing, text
from minicache.model.config import HookedTransformerConfig
from minicache.model.inputs import (
    check_has_target,
    check_stream,
    next_token_loss,
    real_tokens,
)
from minicache.model.layers import Embed, LayerNorm, PosEmbed, TransformerBlock, Unembed
from minicache.model.loading import load_parts
from minicache.model.tokenizers import Tokenizer
from minicache.names import block_layer, stream_place

__all__ = ["HookedTransformer", "Output"]


class Output(NamedTuple):
    """The output of a model that is called with `return_type="both"`."""

    logits: Float[Tensor, "batch pos d_vocab"]
    loss: Float[Tensor, ""]


def _stack_over_layers(path: str) -> property:
    """Make a property that stacks one parameter of every block: [layer, ..]."""
    module, name = path.split(".")

    def stack(self: HookedTransformer) -> Tensor:
        if module == "mlp" and self.cfg.attn_only:
            raise MissingParameterError(
                f"There is no {name}: the model is attn_only, without MLPs."
            )
        return torch.stack([getattr(getattr(block, module), name) for block in self.blocks])

    return property(stack, doc=f"`blocks.*.{path}`, stacked: [layer, ..].")


class HookedTransformer(HookedRootModule):
    """A GPT-2-shaped transformer: text or tokens in, logits or a loss out.

    Examples:
        >>> model = HookedTransformer.from_pretrained()
        >>> logits, cache = model.run_with_cache("The capital of France is")
        >>> list(cache.keys())[:3]
        ['hook_embed', 'hook_pos_embed', 'blocks.0.hook_resid_pre']

    Args:
        cfg: Its sizes and options.
        tokenizer: Turns text into tokens. Without one, the model reads tokens only.
    """

    def __init__(self, cfg: HookedTransformerConfig, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        self.cfg, self.tokenizer = cfg, tokenizer
        self.embed, self.hook_embed = Embed(cfg), HookPoint()
        self.pos_embed, self.hook_pos_embed = PosEmbed(cfg), HookPoint()
        self.blocks = nn.ModuleList(TransformerBlock(cfg, layer) for layer in range(cfg.n_layers))
        self.ln_final = LayerNorm(cfg.d_model, cfg.eps)
        self.unembed = Unembed(cfg)
        self.setup()
        self._init_weights()

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path | None = None,
        revision: str | None = None,
        *,
        fold_ln: bool = False,
        center_writing_weights: bool = False,
        center_unembed: bool = False,
    ) -> HookedTransformer:
        """Load a trained model. With no argument, load the small one that ships with minicache.

        Unlike TransformerLens, this rewrites no weights (`fold_ln` and the other two) unless asked.

        Args:
            name_or_path: A folder, an alias (`gpt2`, `tiny-stories-1M`) or `owner/name` on the hub.
            revision: A branch, a tag or a commit, for a model on the hub.
            fold_ln: Call `processing.fold_ln` on the model.
            center_writing_weights: Call `processing.center_writing_weights` on it.
            center_unembed: Call `processing.center_unembed` on it.

        Raises:
            ModelFileError: there is no such model, or its files do not fit together.
            MissingPackageError: the extra `hub` is not installed, and the model needs it.
        """
        parts = load_parts(name_or_path, revision)
        model = cls(HookedTransformerConfig(**parts.config), parts.tokenizer)
        if any(weight.dtype == torch.float64 for weight in parts.weights.values()):
            model = model.double()  # float32 would round the weights
        model.load_state_dict(parts.weights)
        for wanted, process in (
            (fold_ln, processing.fold_ln),
            (center_writing_weights, processing.center_writing_weights),
            (center_unembed, processing.center_unembed),
        ):
            if wanted:
                process(model)
        return model.eval()

    def forward(
        self,
        input: str
        | Sequence[str]
        | Int[Tensor, "batch pos"]
        | Int[Tensor, " pos"]
        | Float[Tensor, "batch pos d_model"],
        return_type: Literal["logits", "loss", "both"] | None = "logits",
        stop_at_layer: int | None = None,
        prepend_bos: bool = True,
        *,
        start_at_layer: int | None = None,
        tokens: Int[Tensor, "batch pos"] | None = None,
        attention_mask: Shaped[Tensor, "batch pos"] | None = None,
    ) -> Tensor | Output | None:
        """Run the model.

        Args:
            input: Text (see `to_tokens`), or tokens; with `start_at_layer`, the residual stream.
            return_type: `"logits"` [batch, pos, d_vocab]; `"loss"`, the mean cross-entropy of all
                next tokens in nats; `"both"`, an `Output`; or None.
            stop_at_layer: Stop before this block (negative from the end), and return the residual
                stream there, [batch, pos, d_model]. `return_type` is ignored then.
            prepend_bos: Begin each text with the BOS token. Tokens are taken as they are.
            start_at_layer: Start before this block (negative from the end; n_layers runs none),
                with `input` as the residual stream there.
            tokens: With `start_at_layer`, the tokens of that stream. A loss needs them.
            attention_mask: 1 for each token and 0 for padding, which is on the right. A loss leaves
                padding out. Texts need no mask. Of tokens without a mask, a loss leaves out padding
                at the end of a row. If the tokenizer's padding token is also its end of text (as
                for GPT-2), every token counts.

        Raises:
            TokenError: the input is empty, too long, out of the vocabulary or of the wrong type, or
                a loss has no next token to predict.
            ConfigError: an unknown `return_type`; `input` is no stream to start with; or `tokens`
                or `attention_mask` is missing, or given where it has no use.
            ShapeError: `attention_mask` does not have the tokens' shape.
            ArgumentTypeError: a layer is no int, or `prepend_bos` no bool.
            LayerRangeError: the model has no such layer, or `stop_at_layer` comes before
                `start_at_layer`.
        """
        if return_type not in ("logits", "loss", "both", None):
            raise ConfigError(
                f"return_type={return_type!r}: give 'logits', 'loss', 'both' or None."
            )
        start = self._resolve_layer(start_at_layer, 0)
        stop = self._resolve_layer(stop_at_layer, self.cfg.n_layers)
        if start > stop:
            raise LayerRangeError(
                f"start_at_layer={start_at_layer} comes after stop_at_layer={stop_at_layer}: "
                f"give a layer to stop at that is {start} or later."
            )
        wants_loss = stop_at_layer is None and return_type in ("loss", "both")
        needs_tokens = wants_loss or attention_mask is not None
        resid: Tensor
        real = None
        if start_at_layer is not None:
            resid = check_stream(input, self.cfg.d_model)
            if needs_tokens and tokens is None:
                raise ConfigError(
                    "With start_at_layer, a loss or an attention_mask needs the tokens of the "
                    "stream. Give them as tokens=."
                )
            ids, lengths = text.read(self, tokens, False) if needs_tokens else (resid, None)
            if ids.shape[:2] != resid.shape[:2]:
                raise ConfigError(
                    f"tokens= has shape {tuple(ids.shape)}, and the stream {tuple(resid.shape)}. "
                    f"Give the tokens of this stream, [batch, pos]."
                )
        elif tokens is not None:
            raise ConfigError(
                "tokens= is only for start_at_layer. Without it, give the tokens as the input."
            )
        else:
            ids, lengths = text.read(self, input, prepend_bos)
        if needs_tokens:
            real = real_tokens(ids, self.tokenizer, lengths, attention_mask)
        if wants_loss:
            check_has_target(ids, real)

        if start_at_layer is None:
            resid = self.hook_embed(self.embed(ids))
            resid = resid + self.hook_pos_embed(self.pos_embed(ids))
        for block in self.blocks[start:stop]:
            resid = block(resid)
        if stop_at_layer is not None:
            return resid
        if return_type is None:
            return None
        logits: Tensor = self.unembed(self.ln_final(resid))
        if return_type == "logits":
            return logits
        loss = next_token_loss(logits, ids, real)
        return loss if return_type == "loss" else Output(logits, loss)

    @overload
    def run_with_cache(
        self, *model_args: Any, return_cache_object: Literal[True] = True, **kwargs: Any
    ) -> tuple[Any, ActivationCache]: ...

    @overload
    def run_with_cache(
        self, *model_args: Any, return_cache_object: bool, **kwargs: Any
    ) -> tuple[Any, ActivationCache | dict[str, Tensor]]: ...

    def run_with_cache(
        self, *model_args: Any, return_cache_object: bool = True, **kwargs: Any
    ) -> tuple[Any, Any]:
        """Run the model, and return its output and an `ActivationCache` of the run.

        See `HookedRootModule.run_with_cache`. With `return_cache_object=False`, the activations
        are a plain dictionary.
        """
        output, entries = HookedRootModule.run_with_cache(self, *model_args, **kwargs)
        if not return_cache_object:
            return output, entries
        batched = not kwargs.get("remove_batch_dim", False)
        return output, ActivationCache(entries, self, has_batch_dim=batched)

    to_tokens = text.to_tokens
    to_string = text.to_string
    to_str_tokens = text.to_str_tokens
    to_single_token = text.to_single_token
    to_token_ids = text.to_token_ids

    def tokens_to_residual_directions(
        self, tokens: str | int | Sequence[str | int] | Integer[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch d_model"]:
        """Return the direction in the stream that each token's logit reads: its column of W_U.

        The token's logit is the dot product of this direction with the final LayerNorm's output,
        plus b_U. A list of words gives a direction for each.
        """
        ids = self.to_token_ids(tokens)
        return F.embedding(ids, self.W_U.T)  # a copy, where W_U.T[ids] may be a view

    def accumulated_bias(
        self, layer: int | None, mlp_input: bool = False, include_mlp_biases: bool = True
    ) -> Float[Tensor, " d_model"]:
        """Sum all b_O and b_out that were added to the residual stream before a place in it.

        Args:
            layer: The place (see `names.stream_place`): 0 is before block 0, None after the last.
            mlp_input: Also add b_O of block `layer`.
            include_mlp_biases: False leaves out b_out of the MLPs.

        Raises:
            LayerRangeError: the stream has no such place.
        """
        place = stream_place(layer, self.cfg.n_layers, mlp_input=mlp_input)
        total = torch.zeros_like(self.ln_final.b)
        for index, block in enumerate(cast(Any, self.blocks)[: place + mlp_input]):
            total = total + block.attn.b_O
            if include_mlp_biases and block.mlp is not None and index < place:
                total = total + block.mlp.b_out
        return total

    @property
    def device(self) -> torch.device:
        """The device of the weights, to which tokens go."""
        return self.embed.W_E.device

    W_Q, W_K = _stack_over_layers("attn.W_Q"), _stack_over_layers("attn.W_K")
    W_V, W_O = _stack_over_layers("attn.W_V"), _stack_over_layers("attn.W_O")
    b_Q, b_K = _stack_over_layers("attn.b_Q"), _stack_over_layers("attn.b_K")
    b_V, b_O = _stack_over_layers("attn.b_V"), _stack_over_layers("attn.b_O")
    W_in, b_in = _stack_over_layers("mlp.W_in"), _stack_over_layers("mlp.b_in")
    W_out, b_out = _stack_over_layers("mlp.W_out"), _stack_over_layers("mlp.b_out")

    @property
    def W_E(self) -> Float[Tensor, "d_vocab d_model"]:
        """The tokens' embeddings."""
        return self.embed.W_E

    @property
    def W_pos(self) -> Float[Tensor, "n_ctx d_model"]:
        """The positions' embeddings."""
        return self.pos_embed.W_pos

    @property
    def W_U(self) -> Float[Tensor, "d_model d_vocab"]:
        """The unembedding: a column for each token."""
        return self.unembed.W_U

    @property
    def b_U(self) -> Float[Tensor, " d_vocab"]:
        """The unembedding's bias."""
        return self.unembed.b_U

    def __getattr__(self, name: str) -> Any:
        # Python calls this after a property raised an AttributeError, and drops that error. To
        # raise it again, with its message, the property is called again.
        attribute = getattr(type(self), name, None)
        if isinstance(attribute, property) and attribute.fget:
            return attribute.fget(self)
        return super().__getattr__(name)

    def config_dict(self) -> dict[str, Any]:
        """Return the configuration as a dictionary, as `config.json` holds it."""
        return asdict(self.cfg)

    def _init_weights(self) -> None:
        seed = self.cfg.seed
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if "W_" in name:
                nn.init.normal_(parameter, std=self.cfg.init_range, generator=generator)

    def _load_from_state_dict(self, state_dict: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        # TransformerLens keeps two constants of its attention among the weights.
        constants = [n for n in state_dict if n.endswith((".attn.mask", ".attn.IGNORE"))]
        for name in constants:
            del state_dict[name]
        super()._load_from_state_dict(state_dict, *args, **kwargs)

    def _resolve_layer(self, layer: int | None, default: int) -> int:
        """Convert a layer to start or stop before, which may count from the end, to 0..n_layers."""
        if layer is None:
            return default
        after_all = type(layer) is int and layer == self.cfg.n_layers
        return layer if after_all else block_layer(layer, self.cfg.n_layers)
