"""A GPT-2-shaped transformer that takes text or tokens, with a hook point at every step.

`layers.py` has its parts, and `inputs.py` checks what it is given. Here they become one model: text
becomes tokens, tokens become logits, and the weights have the short names that analyses use.
Lessons 1 and 2 walk through it.
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
    """What `return_type="both"` gives."""

    logits: Float[Tensor, "batch pos d_vocab"]
    loss: Float[Tensor, ""]


def _over_layers(path: str) -> property:
    """A property that stacks one parameter of every block: [layer, ..]."""
    module, name = path.split(".")

    def stacked(self: HookedTransformer) -> Tensor:
        if module == "mlp" and self.cfg.attn_only:
            raise MissingParameterError(
                f"There is no {name}: the model is attn_only, without MLPs."
            )
        return torch.stack([getattr(getattr(block, module), name) for block in self.blocks])

    return property(stacked, doc=f"`blocks.*.{path}`, stacked: [layer, ..].")


class HookedTransformer(HookedRootModule):
    """The whole model. Its input is text or tokens, and every activation has a hook point.

    Examples:
        >>> model = HookedTransformer.from_pretrained()
        >>> logits, cache = model.run_with_cache("The capital of France is")
        >>> list(cache.keys())[:3]
        ['hook_embed', 'hook_pos_embed', 'blocks.0.hook_resid_pre']

    Args:
        cfg: Its shape.
        tokenizer: Turns text into tokens. Without one, give tokens.
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
        """A trained model. With no argument, the small one that ships with minicache.

        Args:
            name_or_path: A folder, an alias (`gpt2`, `tiny-stories-1M`) or a hub's `owner/name`.
            revision: Of a model on the hub: a branch, a tag or a commit.
            fold_ln: See `minicache.model.processing`. Unlike in TransformerLens, none of the three
                steps is done unless asked for.
            center_writing_weights: See there.
            center_unembed: See there.

        Raises:
            ModelFileError: there is no model there, or its files do not fit together.
            MissingPackageError: the extra `hub` is needed.
        """
        parts = load_parts(name_or_path, revision)
        model = cls(HookedTransformerConfig(**parts.config), parts.tokenizer)
        if any(weight.dtype == torch.float64 for weight in parts.weights.values()):
            model = model.double()  # float32 would round them
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
            return_type: `"logits"` [batch, pos, d_vocab]; `"loss"`, the mean cross-entropy of each
                next token in nats; `"both"` as an `Output`; or None.
            stop_at_layer: Stop before this block (negative from the end), and return the residual
                stream there, [batch, pos, d_model], whatever `return_type` says.
            start_at_layer: Start before this block (negative from the end; n_layers runs none),
                with `input` as the residual stream there.
            tokens: With `start_at_layer`, the tokens of that stream. A loss needs them.
            attention_mask: 1 for each token and 0 for padding, which is on the right. A loss leaves
                padding out. Texts need no mask. Of tokens without a mask, `<pad>` at the end of a
                row is left out; where the padding token is also the end of text (GPT-2), every
                token counts.

        Raises:
            TokenError: the input is empty, too long, out of the vocabulary or of the wrong type, or
                a loss has no next token to predict.
            ConfigError: an unknown `return_type`, no stream to start with, `tokens` or
                `attention_mask` where they are missing or not needed.
            ShapeError: `attention_mask` does not have the tokens' shape.
            ArgumentTypeError: a layer is no int, or `prepend_bos` no bool.
            LayerRangeError: no such layer to stop or to start at, or it stops before it starts.
        """
        if return_type not in ("logits", "loss", "both", None):
            raise ConfigError(
                f"return_type={return_type!r}: give 'logits', 'loss', 'both' or None."
            )
        start = self._boundary(start_at_layer, 0)
        stop = self._boundary(stop_at_layer, self.cfg.n_layers)
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
                    "A loss, or an attention_mask, needs the tokens of the stream that was given. "
                    "Give them as tokens=."
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

        See `HookedRootModule.run_with_cache`; `return_cache_object=False` gives the plain dict.
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
        """The direction of the stream, after the final LayerNorm, that each token's logit reads.

        It is the token's column of W_U. A list of words gives a direction for each.
        """
        ids = self.to_token_ids(tokens)
        return F.embedding(ids, self.W_U.T)  # a copy, where W_U.T[ids] may be a view

    def accumulated_bias(
        self, layer: int | None, mlp_input: bool = False, include_mlp_biases: bool = True
    ) -> Float[Tensor, " d_model"]:
        """The sum of all b_O and b_out that were added to the stream before a place in it.

        Args:
            layer: The place, as `decompose_resid` counts it: 0 is before block 0, None the last.
            mlp_input: Count block `layer`'s attention too.
            include_mlp_biases: Leave the MLPs' out if False.

        Raises:
            LayerRangeError: no such place.
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
        """Where the weights are, and so where tokens go."""
        return self.embed.W_E.device

    W_Q, W_K = _over_layers("attn.W_Q"), _over_layers("attn.W_K")
    W_V, W_O = _over_layers("attn.W_V"), _over_layers("attn.W_O")
    b_Q, b_K = _over_layers("attn.b_Q"), _over_layers("attn.b_K")
    b_V, b_O = _over_layers("attn.b_V"), _over_layers("attn.b_O")
    W_in, b_in = _over_layers("mlp.W_in"), _over_layers("mlp.b_in")
    W_out, b_out = _over_layers("mlp.W_out"), _over_layers("mlp.b_out")

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
        # Python asks here after a property has raised AttributeError, and drops what that said.
        if isinstance(found := getattr(type(self), name, None), property) and found.fget:
            return found.fget(self)
        return super().__getattr__(name)

    def config_dict(self) -> dict[str, Any]:
        """The configuration as plain data: what `from_pretrained` reads."""
        return asdict(self.cfg)

    def _init_weights(self) -> None:
        seed = self.cfg.seed
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if "W_" in name:
                nn.init.normal_(parameter, std=self.cfg.init_range, generator=generator)

    def _load_from_state_dict(self, state_dict: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        # TransformerLens keeps two constants of its attention among the weights.
        for name in [n for n in state_dict if n.endswith((".attn.mask", ".attn.IGNORE"))]:
            del state_dict[name]
        super()._load_from_state_dict(state_dict, *args, **kwargs)

    def _boundary(self, layer: int | None, default: int) -> int:
        """A layer to start or to stop before, from 0 to n_layers."""
        if layer is None:
            return default
        after_all = type(layer) is int and layer == self.cfg.n_layers
        return layer if after_all else block_layer(layer, self.cfg.n_layers)
