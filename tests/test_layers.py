"""Laws of the model's parts: the forward pass by hand, and whose memory an activation has."""

from __future__ import annotations

import math
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from minicache import HookedTransformer, HookedTransformerConfig
from minicache.model.layers import PosEmbed
from minicache.shared_memory import storage_id
from tests.worlds import N_CTX, assert_close, models, random_model, tokens


def by_hand(model, ids):
    """The same transformer in torch's own terms, by another road: loops, and no hook points."""
    cfg = model.cfg
    x = model.W_E[ids] + model.W_pos[: ids.shape[1]]
    act = {"gelu_new": lambda t: F.gelu(t, approximate="tanh"), "gelu": F.gelu}
    act |= {"relu": F.relu, "silu": F.silu}

    def norm(ln, t):
        return F.layer_norm(t, (cfg.d_model,), ln.w, ln.b, cfg.eps)

    for layer, block in enumerate(model.blocks):
        t, heads = norm(block.ln1, x), []
        for h in range(cfg.n_heads):
            q, k, v = (
                t @ getattr(block.attn, f"W_{n}")[h] + getattr(block.attn, f"b_{n}")[h]
                for n in "QKV"
            )
            scores = q @ k.mT / (math.sqrt(cfg.d_head) if cfg.use_attn_scale else 1)
            mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
            if cfg.attn_types and cfg.attn_types[layer] == "local":
                mask &= ~torch.ones_like(mask).tril(-cfg.window_size)
            heads.append(scores.where(mask, torch.tensor(-1e30).to(t)).softmax(-1) @ v)
        x = x + torch.cat(heads, -1) @ block.attn.W_O.flatten(0, 1) + block.attn.b_O
        if block.mlp is not None:
            t = norm(block.ln2, x) @ block.mlp.W_in + block.mlp.b_in
            x = x + act[cfg.act_fn](t) @ block.mlp.W_out + block.mlp.b_out
    return norm(model.ln_final, x) @ model.W_U + model.b_U


@given(
    act_fn=st.sampled_from(["gelu_new", "gelu", "relu", "silu"]),
    attn_only=st.booleans(),
    use_attn_scale=st.booleans(),
    attn_types=st.none() | st.lists(st.sampled_from(["global", "local"]), min_size=2, max_size=2),
    window_size=st.integers(1, N_CTX),
    pos=st.integers(1, N_CTX),
)
def test_the_forward_pass_is_the_one_written_by_hand(pos, **options):
    model, ids = random_model(**options), tokens(2, pos)
    assert_close(model(ids), by_hand(model, ids))


@given(model=models(), cut=st.integers(1, 4))
def test_a_position_never_sees_the_future(model, cut):
    ids = tokens(2, 5)
    assert_close(model(ids)[:, :cut], model(ids[:, :cut]))


@pytest.mark.parametrize("d_head", [1, 2])
def test_the_attention_scale_is_the_root_of_d_head(d_head):
    cfg = HookedTransformerConfig(n_layers=1, d_model=6, n_ctx=5, d_head=d_head, d_vocab=7, seed=0)
    assert cfg.n_heads == 6 // d_head
    model, ids = HookedTransformer(cfg).double(), torch.tensor([[0, 6, 3]])
    assert_close(model(ids), by_hand(model, ids))


def borrowed(model, tensors):
    """The names of the tensors that lie in the memory of one of the model's parameters."""
    own = {storage_id(parameter) for parameter in model.parameters()}
    return [name for name, tensor in tensors.items() if storage_id(tensor) in own]


@given(
    model=models(),
    mode=st.sampled_from([nullcontext, torch.no_grad, torch.inference_mode]),
    batch=st.integers(1, 2),
    pos=st.integers(1, 5),
    remove=st.booleans(),
    stop=st.none() | st.integers(0, 1),
    pos_slice=st.sampled_from([None, 0, (0, 1), [0]]),
)
def test_no_activation_lies_in_a_parameters_memory(
    model, mode, batch, pos, remove, stop, pos_slice
):
    seen = {}
    model.eval().add_hook(lambda name: True, lambda t, hook: seen.update({hook.name: t}))
    with mode():
        output, cache = model.run_with_cache(
            tokens(batch, pos),
            remove_batch_dim=remove and batch == 1,
            stop_at_layer=stop,
            pos_slice=pos_slice,
        )
    assert len(seen) == len(cache)
    assert borrowed(model, {**seen, **cache, "output": output}) == []


@given(model=models(), batch=st.integers(1, 2))
def test_hooks_that_write_in_place_leave_the_weights_as_they_were(model, batch):
    before = {name: p.clone() for name, p in model.named_parameters()}
    plain = model(tokens(batch, 3))
    with torch.no_grad():
        model.run_with_hooks(
            tokens(batch, 3), fwd_hooks=[(lambda name: True, lambda t, hook: t.mul_(2).add_(1))]
        )
        for entry in model.run_with_cache(tokens(batch, 3))[1].values():
            entry.fill_(7)
    assert all(torch.equal(before[name], p) for name, p in model.named_parameters())
    assert torch.equal(model(tokens(batch, 3)), plain)


def test_an_optimizers_step_leaves_a_cache_as_it_was():
    model = random_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loss, cache = model.run_with_cache(tokens(1, 4), return_type="loss")
    before = {name: entry.clone() for name, entry in cache.items()}
    loss.backward()
    optimizer.step()
    assert all(torch.equal(before[name], entry) for name, entry in cache.items())


@pytest.mark.parametrize("batch", [1, 2])
def test_a_module_of_the_users_own_that_gives_a_view_of_its_weights_is_safe_too(batch):
    class Views(PosEmbed):
        def forward(self, ids):
            return self.W_pos[: ids.shape[1]].expand(*ids.shape, -1)

    model = random_model()
    model.pos_embed = Views(model.cfg).double()
    nn.init.ones_(model.pos_embed.W_pos)
    _, cache = model.run_with_cache(tokens(batch, 3))
    assert borrowed(model, cache) == []
    with torch.no_grad():
        model.run_with_hooks(
            tokens(batch, 3), fwd_hooks=[("hook_pos_embed", lambda t, hook: t.zero_())]
        )
    assert (model.W_pos == 1).all()


def test_a_direction_of_a_token_is_no_view_of_the_unembedding(shipped):
    for asked in ("Mary", 5, torch.tensor(5), torch.tensor([5, 6])):
        direction = shipped.tokens_to_residual_directions(asked)
        assert borrowed(shipped, {"direction": direction}) == []
