"""TransformerLens 3.9.0 with a model's own weights: the peer of parity tests and benchmarks."""

from __future__ import annotations

import warnings
from typing import Any

from transformer_lens import HookedTransformer as Peer
from transformer_lens import HookedTransformerConfig as PeerConfig

from minicache import HookedTransformer

SAME = (
    *("n_layers", "d_model", "n_ctx", "d_head", "n_heads", "d_mlp", "d_vocab"),
    *("act_fn", "attn_only", "eps"),
)


def peer_of(model: HookedTransformer, tokenizer: Any = None) -> Peer:
    """The same model there. Both work on the CPU."""
    shape = {name: getattr(model.cfg, name) for name in SAME}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.9 is the last line that has it
        peer = Peer(PeerConfig(**shape, normalization_type="LN", device="cpu"), tokenizer=tokenizer)
    missing, unexpected = peer.load_state_dict(model.state_dict(), strict=False)
    if unexpected or {name.rpartition(".")[2] for name in missing} - {"mask", "IGNORE"}:
        raise ValueError(f"The weights do not fit: {missing} missing, {unexpected} unexpected.")
    return peer.eval()
