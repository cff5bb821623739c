"""Real small models, prompts and runs for the tests, made by hypothesis or by hand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from minicache import ActivationCache, HookedRootModule, HookedTransformer, HookPoint
from minicache.model import HookedTransformerConfig

D_VOCAB, N_CTX = 11, 9


def random_model(
    n_layers: int = 2,
    n_heads: int = 3,
    attn_only: bool = False,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    **more: object,
) -> HookedTransformer:
    """Every axis has a size of its own, and no weight or bias is zero, so mistakes show."""
    cfg = HookedTransformerConfig(
        n_layers=n_layers,
        d_model=10,
        n_ctx=N_CTX,
        d_head=4,
        n_heads=n_heads,
        d_mlp=7,
        d_vocab=D_VOCAB,
        attn_only=attn_only,
        seed=seed,
        **more,  # type: ignore[arg-type]
    )
    model = HookedTransformer(cfg).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=dtype)
            parameter.copy_(0.5 * noise + (parameter.mean() if parameter.ndim == 1 else 0))
    return model


def tokens(batch: int, pos: int, seed: int = 0) -> Tensor:
    return torch.randint(D_VOCAB, (batch, pos), generator=torch.Generator().manual_seed(seed))


@dataclass
class Run:
    """A model, and what one run of it gave."""

    model: HookedTransformer
    tokens: Tensor
    logits: Tensor
    cache: ActivationCache


def run(model: HookedTransformer, ids: Tensor, **kwargs: object) -> Run:
    with torch.no_grad():
        logits, cache = model.run_with_cache(ids, **kwargs)
    return Run(model, ids, logits, cache)


@st.composite
def models(draw: st.DrawFn, dtype: torch.dtype = torch.float64) -> HookedTransformer:
    return random_model(
        n_layers=draw(st.integers(1, 4)),
        n_heads=draw(st.integers(1, 3)),
        attn_only=draw(st.booleans()),
        seed=draw(st.integers(0, 99)),
        dtype=dtype,
    )


@st.composite
def runs(draw: st.DrawFn, dtype: torch.dtype = torch.float64) -> Run:
    model = draw(models(dtype))
    ids = tokens(draw(st.integers(1, 3)), draw(st.integers(2, N_CTX)), draw(st.integers(0, 99)))
    one = run(model, ids)
    if ids.shape[0] == 1 and draw(st.booleans()):
        one.cache.remove_batch_dim()
        one.logits, one.tokens = one.logits[0], one.tokens[0]
    return one


@st.composite
def configs(draw: st.DrawFn) -> HookedTransformerConfig:
    """Shapes in which every size may be 1."""
    size = st.integers(1, 5)
    n_layers = draw(st.integers(1, 3))
    kinds = st.lists(st.sampled_from(["global", "local"]), min_size=n_layers, max_size=n_layers)
    return HookedTransformerConfig(
        n_layers=n_layers,
        n_heads=draw(size),
        d_head=draw(size),
        d_model=draw(size),
        d_mlp=draw(size),
        d_vocab=11,
        n_ctx=6,
        attn_only=draw(st.booleans()),
        act_fn=draw(st.sampled_from(["gelu_new", "gelu", "relu", "silu"])),
        use_attn_scale=draw(st.booleans()),
        attn_types=draw(st.none() | kinds),
        window_size=2,
        seed=0,
    )


RUNS = st.sampled_from([torch.float32, torch.float64]).flatmap(lambda dtype: runs(dtype=dtype))
"""Runs at both precisions."""


def stream(one: Run, place: int, mlp_input: bool = False) -> torch.Tensor:
    if place == one.model.cfg.n_layers:
        return one.cache["resid_post", -1]
    return one.cache["resid_mid" if mlp_input else "resid_pre", place]


def normed(one: Run, place: int, mlp_input: bool = False) -> torch.Tensor:
    """What the LayerNorm that reads the stream there made of it, less its bias."""
    if place == one.model.cfg.n_layers:
        return one.cache["ln_final.hook_normalized"] * one.model.ln_final.w
    name = "ln2" if mlp_input else "ln1"
    ln = getattr(one.model.blocks[place], name)
    return one.cache["normalized", place, name] * ln.w


@st.composite
def places(draw: st.DrawFn) -> tuple[Run, int, bool]:
    """A run, a place of its stream, and whether it is before an MLP."""
    one = draw(RUNS)
    mlp_input = draw(st.booleans()) and not one.model.cfg.attn_only
    return one, draw(st.integers(0, one.model.cfg.n_layers - mlp_input)), mlp_input


def axis_slices(size: int) -> st.SearchStrategy[object]:
    """Any slice that fits an axis of this size and takes at least one entry."""
    index = st.integers(-size, size - 1)
    return st.one_of(
        st.none(),
        index,
        st.integers(1, size).map(lambda stop: (stop,)),
        st.integers(0, size - 1).flatmap(
            lambda start: st.integers(start + 1, size).map(lambda stop: (start, stop))
        ),
        st.lists(index, min_size=1, max_size=4),
        st.lists(st.booleans(), min_size=size, max_size=size).filter(any),
    )


def assert_close(actual: Tensor, expected: Tensor, *, what: str = "") -> None:
    """Equal up to rounding, relative to the largest entry: 1e-10 in float64, 1e-5 in float32."""
    assert actual.shape == expected.shape, f"{what}: {actual.shape} is not {expected.shape}"
    if not expected.numel():
        return
    tolerance = 1e-10 if expected.dtype == torch.float64 else 1e-5
    error = (actual - expected).abs().max().item()
    limit = tolerance * max(1.0, expected.abs().max().item())
    assert error <= limit, f"{what}: off by {error:.2e}, more than {limit:.2e}"


class Toy(HookedRootModule):
    """A user's own model: two linear maps and two hook points, nothing of a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 5), nn.Linear(5, 2)
        self.hook_middle, self.hook_out = HookPoint(), HookPoint()
        self.setup()

    def forward(self, x: Tensor) -> Tensor:
        return self.hook_out(self.second(self.hook_middle(self.first(x))))
