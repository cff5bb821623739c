"""A GPT-2-shaped transformer that takes text or tokens, with a hook point at every step.

`layers.py` has its parts. Here they become one model: text becomes tokens, tokens become logits,
and the weights have the short names that analyses use. Lessons 1 and 2 tell the story.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from minicache.cache import ActivationCache
from minicache.errors import ConfigError, LayerRangeError, TokenError
from minicache.hooks import HookedRootModule, HookPoint
from minicache.model import processing
from minicache.model.config import HookedTransformerConfig
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
        return torch.stack([getattr(getattr(block, module), name) for block in self.blocks])

    return property(stacked, doc=f"`blocks.*.{path}`, stacked: [layer, ..].")


class HookedTransformer(HookedRootModule):
    """The whole model. Its input is text or tokens; its stream is open at every step.

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
    ) -> Any:
        """Run the model.

        Args:
            input: Text (see `to_tokens`), or tokens; with `start_at_layer`, the residual stream.
            return_type: `"logits"` [batch, pos, d_vocab]; `"loss"`, the mean cross-entropy of each
                next token in nats; `"both"` as an `Output`; or None.
            stop_at_layer: Stop before this block (negative from the end), and return the residual
                stream there, [batch, pos, d_model], whatever `return_type` says.
            start_at_layer: Start before this block (negative from the end; n_layers runs none),
                with `input` as the residual stream there.
            tokens: What a stream stands for. A loss needs them.

        Raises:
            TokenError: the input is empty, too long, out of the vocabulary or of the wrong type.
            ConfigError: an unknown `return_type`, no stream to start with, or `tokens` where they
                are missing or not needed.
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
        if start_at_layer is not None:
            resid, tokens = self._checked_stream(input, tokens, wants_loss)
        elif tokens is not None:
            raise ConfigError("tokens goes with start_at_layer. Without it, they are the input.")
        else:
            tokens = self._checked_tokens(input, prepend_bos)
        if wants_loss and cast(Tensor, tokens).shape[1] < 2:
            raise TokenError("A loss needs a next token to predict: give at least 2 tokens.")

        if start_at_layer is None:
            resid = self.hook_embed(self.embed(tokens))
            resid = resid + self.hook_pos_embed(self.pos_embed(tokens))
        for block in self.blocks[start:stop]:
            resid = block(resid)
        if stop_at_layer is not None:
            return resid
        if return_type is None:
            return None
        logits = self.unembed(self.ln_final(resid))
        if return_type == "logits":
            return logits
        loss = self._loss(logits, cast(Tensor, tokens))
        return loss if return_type == "loss" else Output(logits, loss)

    def run_with_cache(
        self, *model_args: Any, return_cache_object: bool = True, **kwargs: Any
    ) -> tuple[Any, Any]:
        """Run the model, and return its output and an `ActivationCache` of the run.

        See `HookedRootModule.run_with_cache`; `return_cache_object=False` gives the plain dict.
        """
        output, entries = super().run_with_cache(*model_args, **kwargs)
        if not return_cache_object:
            return output, entries
        batched = not kwargs.get("remove_batch_dim", False)
        return output, ActivationCache(entries, self, has_batch_dim=batched)

    def to_tokens(
        self, input: str | Sequence[str], prepend_bos: bool = True
    ) -> Int[Tensor, "batch pos"]:
        """The tokens of a text, or of several, on the model's device.

        Shorter texts of a batch are filled up on the right with the padding token; the loss leaves
        it out. A causal model's earlier positions never see it.

        Raises:
            TokenError: there is no text, or no tokenizer.
            UnknownWordError: the vocabulary does not have a word.
        """
        texts = [input] if isinstance(input, str) else input
        sequence = isinstance(texts, Sequence) and len(texts) > 0
        if not sequence or not all(isinstance(text, str) for text in texts):
            raise TokenError(f"Give a text, or a list of texts, and not {input!r}.")
        tokenizer = self._need_tokenizer()
        start = [tokenizer.bos_token_id] if prepend_bos else []
        rows = [start + tokenizer.encode(text) for text in texts]
        longest = max(map(len, rows))
        padded = [row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows]
        return torch.tensor(padded, dtype=torch.long, device=self.device)

    def to_string(self, tokens: Int[Tensor, "*batch pos"] | Sequence[int]) -> str | list[str]:
        """The text of tokens: a string for [pos], a list of them for [batch, pos]."""
        ids = torch.as_tensor(tokens)
        if ids.ndim == 2:
            return [cast(str, self.to_string(row)) for row in ids]
        self._check_range(ids)
        return self._need_tokenizer().decode(ids.reshape(-1).tolist())

    def to_str_tokens(
        self, input: str | Int[Tensor, " pos"] | Int[Tensor, "1 pos"], prepend_bos: bool = True
    ) -> list[str]:
        """Each token of one text as a string of its own."""
        tokens = self.to_tokens(input, prepend_bos)[0] if isinstance(input, str) else input
        ids = torch.as_tensor(tokens)
        if ids.ndim == 2 and ids.shape[0] != 1:
            raise TokenError(f"to_str_tokens reads one text, and this is a batch of {len(ids)}.")
        return [cast(str, self.to_string([one])) for one in ids.reshape(-1).tolist()]

    def to_single_token(self, string: str) -> int:
        """The one token of a word.

        Raises:
            TokenError: the string is not one token.
        """
        tokens = self.to_tokens(string, prepend_bos=False)[0]
        if len(tokens) != 1:
            raise TokenError(f"{string!r} is {len(tokens)} tokens, and one is needed.")
        return int(tokens[0])

    def tokens_to_residual_directions(
        self, tokens: str | int | Int[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch d_model"]:
        """The direction of the stream, after the final LayerNorm, that each token's logit reads.

        It is the token's column of W_U.
        """
        ids = self.to_single_token(tokens) if isinstance(tokens, str) else tokens
        index = torch.as_tensor(ids, device=self.device)
        self._check_range(index)
        return F.embedding(index, self.W_U.T)  # a copy, where W_U.T[index] may be a view

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

    def _need_tokenizer(self) -> Tokenizer:
        if self.tokenizer is None:
            raise TokenError("This model has no tokenizer. Give tokens, or a tokenizer with it.")
        return self.tokenizer

    def _boundary(self, layer: int | None, default: int) -> int:
        """A layer to start or to stop before, from 0 to n_layers."""
        last = self.cfg.n_layers
        if layer is None or layer == last:
            return default if layer is None else last
        return block_layer(layer, last)

    def _checked_stream(
        self, stream: Any, tokens: Any, wants_loss: bool
    ) -> tuple[Float[Tensor, "batch pos d_model"], Int[Tensor, "batch pos"] | None]:
        width = self.cfg.d_model
        if not isinstance(stream, Tensor) or not stream.is_floating_point():
            kind = stream.dtype if isinstance(stream, Tensor) else type(stream).__name__
            raise ConfigError(f"start_at_layer starts from a float stream, and not from {kind}.")
        if stream.ndim != 3 or stream.numel() == 0 or stream.shape[-1] != width:
            raise ConfigError(
                f"start_at_layer starts from a stream [batch, pos, d_model={width}] with at least "
                f"one of each, and this one has shape {tuple(stream.shape)}."
            )
        if not wants_loss:
            return stream, None
        if tokens is None:
            raise ConfigError("A loss needs tokens: give what the stream stands for as tokens=.")
        checked = self._checked_tokens(tokens, prepend_bos=False)
        if checked.shape != stream.shape[:2]:
            raise ConfigError(
                f"tokens have shape {tuple(checked.shape)}, and the stream that they stand for "
                f"{tuple(stream.shape)}."
            )
        return stream, checked

    def _checked_tokens(self, input: Any, prepend_bos: bool) -> Int[Tensor, "batch pos"]:
        tokens = input if isinstance(input, Tensor) else self.to_tokens(input, prepend_bos)
        if tokens.ndim not in (1, 2) or tokens.numel() == 0:
            raise TokenError(
                f"Tokens are [batch, pos] or [pos] with at least one of each, "
                f"and these have shape {tuple(tokens.shape)}."
            )
        tokens = tokens if tokens.ndim == 2 else rearrange(tokens, "pos -> 1 pos")
        if tokens.shape[1] > self.cfg.n_ctx:
            raise TokenError(
                f"The input has {tokens.shape[1]} tokens; the model reads at most "
                f"n_ctx={self.cfg.n_ctx}. Shorten it."
            )
        self._check_range(tokens)
        return tokens.long()

    def _check_range(self, ids: Int[Tensor, "*batch"]) -> None:
        if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
            raise TokenError(f"Tokens are ints, and these are {ids.dtype}.")
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < self.cfg.d_vocab:
            raise TokenError(
                f"Tokens run from 0 to {self.cfg.d_vocab - 1}, and these from {int(ids.min())} "
                f"to {int(ids.max())}."
            )

    def _loss(
        self, logits: Float[Tensor, "batch pos d_vocab"], tokens: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, ""]:
        nobody = -100  # cross_entropy's own mark for a target that does not count
        target = tokens[:, 1:]
        if self.tokenizer is not None:
            target = target.masked_fill(target == self.tokenizer.pad_token_id, nobody)
        flat = rearrange(logits[:, :-1], "batch pos d_vocab -> (batch pos) d_vocab")
        return F.cross_entropy(flat, rearrange(target, "batch pos -> (batch pos)"))
