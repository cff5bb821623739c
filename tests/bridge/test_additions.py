"""However a block writes its additions down, the stream is followed; or it is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import minicache
from minicache import ActivationCache
from minicache.bridge import laws
from minicache.bridge.plan import Plan, make_plan
from minicache.bridge.probe import Linear
from minicache.errors import ConfigError, HookError
from tests.bridge.families import tiny_model
from tests.bridge.own import Add, Own
from tests.bridge.test_laws import assert_near

TOKENS = torch.randint(31, (2, 6), generator=torch.Generator().manual_seed(3))


def in_place(stream: Tensor, written: Tensor) -> Tensor:
    stream += written
    return stream


def in_place_without_a_result(stream: Tensor, written: Tensor) -> Tensor:
    stream.add_(written)
    return stream


WAYS: dict[str, Add] = {
    "plus": lambda stream, written: stream + written,
    "turned": lambda stream, written: written + stream,
    "function": torch.add,
    "named": lambda stream, written: torch.add(input=written, other=stream),
    "in place": in_place,
    "in place, no result": in_place_without_a_result,
    "into what was written": lambda stream, written: written.add_(stream),
    "flat": lambda s, w: (s.view(-1, 12) + w.view(-1, 12)).view(s.shape),
    "reshaped by name": lambda s, w: torch.reshape(
        input=torch.reshape(input=s, shape=(-1, 12)) + w.view(-1, 12), shape=s.shape
    ),
    "of what torch was given by other names": lambda s, w: (
        s + torch.where(condition=torch.isfinite(input=w), input=w, other=torch.zeros_like(input=w))
    ),
    "through another dtype": lambda s, w: s.to(torch.float64, copy=True) + w,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_add_is_followed(way: str) -> None:
    model = Own(WAYS[way])
    plain = model(TOKENS).logits
    logits, cache = minicache.wrap(model).run_with_cache(TOKENS)
    assert torch.equal(logits, plain)
    _, expected = minicache.wrap(Own(WAYS["plus"])).run_with_cache(TOKENS)
    assert {*cache} == {*expected}
    for name in expected:
        assert_near(cache[name].nan_to_num(neginf=0), expected[name].nan_to_num(neginf=0))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "name", ["hook_resid_pre", "hook_attn_out", "hook_resid_mid", "hook_mlp_out"]
)
def test_a_replaced_value_goes_on_however_it_is_added(way: str, name: str) -> None:
    def logits(way: str) -> Tensor:
        hooks = [(f"blocks.1.{name}", lambda tensor, hook: tensor.roll(1, 1) * 2)]
        return minicache.wrap(Own(WAYS[way])).run_with_hooks(TOKENS, fwd_hooks=hooks)

    assert_near(logits(way), logits("plus"))


def overwritten(stream: Tensor, written: Tensor) -> Tensor:
    stream = stream + written
    stream[:, 0] = 0
    return stream


@pytest.mark.parametrize(
    ("add", "reason"),
    [
        (lambda s, w: torch.add(s, w, alpha=2), "an activation times alpha"),
        (lambda s, w: s + 1.0 + w, "adds to its residual stream a number"),
        (lambda s, w: s + s + w, "the stream itself"),
        (lambda s, w: torch.lerp(s, s + w, 1.0) * 1.0, "does not return the residual stream"),
        (lambda s, w: 0.5 * s + w, "does not return the residual stream"),
        (lambda s, w: (s + w).mul_(1.0), "does not return the residual stream"),
        (overwritten, "does not return the residual stream"),
        (lambda s, w: torch.stack([s, w]).sum(0), "does not return the residual stream"),
        (lambda s, w: s + 0.5 * w + 0.5 * w, "4 times"),
        (lambda s, w: s, "0 times"),
    ],
)
def test_what_is_no_sum_of_two_writes_is_refused(add: Add, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        minicache.wrap(Own(add))


def test_a_block_that_adds_more_often_later_is_said() -> None:
    model = Own(WAYS["plus"])
    wrapped = minicache.wrap(model)
    model.blocks[1].add = lambda stream, written: stream + written / 2 + written / 2
    with pytest.raises(HookError, match="adds to the stream more often"):
        wrapped.run_with_cache(TOKENS)


def test_a_stream_that_is_changed_between_blocks_is_refused() -> None:
    model = Own(WAYS["plus"])
    model.blocks[1].register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    with pytest.raises(ConfigError, match="changes the stream between them"):
        minicache.wrap(model)


def test_a_final_scale_that_is_no_norm_is_refused() -> None:
    model = Own(WAYS["plus"])
    model.norm = nn.Softmax(-1)
    with pytest.raises(ConfigError, match="are not a norm and linear maps"):
        minicache.wrap(model)


def test_a_model_without_blocks_or_with_one_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="no list of blocks"):
        minicache.wrap(Own(WAYS["plus"], n_blocks=0))
    model = Own(WAYS["plus"])
    model.blocks[1] = model.blocks[0]
    with pytest.raises(ConfigError, match="each run once"):
        minicache.wrap(model)


def test_a_model_that_runs_none_of_its_lists_of_blocks_is_refused() -> None:
    model = Own(WAYS["plus"])
    model.blocks, model.unused = nn.Sequential(*model.blocks), nn.ModuleList([nn.Linear(2, 2)])
    with pytest.raises(ConfigError, match="ran tokens through none of its lists"):
        minicache.wrap(model)


def test_a_model_that_draws_random_numbers_in_eval_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cannot be wrapped: Dropout of 0\.5 acts"):
        minicache.wrap(Own(lambda stream, written: stream + F.dropout(written, 0.5)))
    with pytest.raises(ConfigError, match="may be random"):
        minicache.wrap(Own(lambda stream, written: stream + written * torch.rand(())))


def test_of_several_lists_the_one_that_text_goes_through_is_followed() -> None:
    model = Own(WAYS["plus"])
    model.vision = nn.ModuleList(nn.Linear(100, 100) for _ in range(3))
    assert minicache.wrap(model).cfg.n_layers == 2


def test_logits_without_a_norm_before_them_are_refused() -> None:
    model = Own(WAYS["plus"])
    model.norm = nn.Identity()
    with pytest.raises(ConfigError, match="no norm reads the stream"):
        minicache.wrap(model)


def test_what_is_no_number_between_the_last_norm_and_the_unembedding_is_refused() -> None:
    model = Own(WAYS["plus"])
    model.norm = nn.Sequential(nn.LayerNorm(12), nn.ReLU()).double()
    with pytest.raises(ConfigError, match="more than a norm and linear maps is between"):
        minicache.wrap(model)


def assert_parts_sum(cache: ActivationCache) -> None:
    assert_near(cache.decompose_resid().sum(0), cache["resid_post", -1])
    attributed = cache.logit_attrs(cache.decompose_resid(), 4).sum(0) + cache.logit_constant(4)
    assert_near(attributed, cache["unembed.hook_out"][..., 4])


def test_a_module_that_two_blocks_share_shows_each_block_its_own_activations() -> None:
    apart, shared = Own(WAYS["plus"]), Own(WAYS["plus"])
    for name in ("norm", "out", "up", "down"):
        getattr(apart.blocks[1], name).load_state_dict(getattr(shared.blocks[0], name).state_dict())
        setattr(shared.blocks[1], name, getattr(shared.blocks[0], name))
    _, expected = minicache.wrap(apart).run_with_cache(TOKENS)
    _, cache = minicache.wrap(shared).run_with_cache(TOKENS)
    assert {*cache} == {*expected}
    for name in expected:
        assert_near(cache[name].nan_to_num(neginf=0), expected[name].nan_to_num(neginf=0))
    assert_near(cache.get_full_resid_decomposition().sum(0), cache["resid_post", -1])


def test_a_mask_of_the_streams_dtype_does_not_hide_the_norm_that_reads_the_stream() -> None:
    model = Own(WAYS["plus"])  # attention's mask is made by `.to(stream)`
    _, cache = minicache.wrap(model).run_with_cache(TOKENS)
    expected = model.blocks[1].norm(cache["resid_pre", 1])
    norm = model.blocks[1].norm
    assert_near(cache["normalized", 1, "ln1"] * norm.weight + norm.bias, expected)


def test_a_block_that_reads_the_stream_without_a_norm_has_all_but_the_norm() -> None:
    model = Own(WAYS["plus"])
    for block in model.blocks:
        block.norm = nn.Identity()
    wrapped = minicache.wrap(model)
    _, cache = wrapped.run_with_cache(TOKENS)
    assert not wrapped.refused
    assert "blocks.1.ln1.hook_scale" not in cache
    assert "blocks.1.ln2.hook_scale" in cache
    assert_parts_sum(cache)
    assert_near(cache.get_full_resid_decomposition().sum(0), cache["resid_post", -1])
    with pytest.raises(ConfigError, match=r"blocks\.1\.ln1"):
        cache.decompose_resid(1, apply_ln=True)


class Twice(nn.Module):
    """A block of two MLPs beside each other."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(12)
        self.one, self.other = nn.Linear(12, 12), nn.Linear(12, 12)

    def forward(self, stream: Tensor) -> Tensor:
        x = self.norm(stream)
        return stream + (self.one(F.gelu(x)) + self.other(F.silu(x)))


def test_a_sum_of_two_mlps_is_one_write() -> None:
    model = Own(WAYS["plus"])
    model.blocks[1] = Twice().double()
    wrapped = minicache.wrap(model)
    _, cache = wrapped.run_with_cache(TOKENS)
    assert "blocks.1.hook_mlp_out" in cache
    assert "adds none" in wrapped.refused["blocks.1.hook_attn_out"]
    assert "another activation is added" in wrapped.refused["blocks.1.mlp.hook_post"]
    assert_parts_sum(cache)


def test_an_mlp_with_one_linear_map_has_neurons_and_nothing_before_them() -> None:
    model = Own(WAYS["plus"])
    for block in model.blocks:
        block.up, block.down = nn.Identity(), nn.Linear(12, 12).double()
    wrapped = minicache.wrap(model)
    _, cache = wrapped.run_with_cache(TOKENS)
    assert not wrapped.refused
    assert "blocks.1.mlp.hook_pre" not in cache
    assert_near(cache["post", 1], F.gelu(model.blocks[1].mlp_norm(cache["resid_mid", 1])))
    assert_near(cache.get_full_resid_decomposition().sum(0), cache["resid_post", -1])


class Half(nn.Module):
    """A block that adds half of what its norm gives."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(12)

    def forward(self, stream: Tensor) -> Tensor:
        return stream + self.norm(stream) * 0.5


def test_a_write_that_no_linear_map_made_has_no_neurons() -> None:
    model = Own(WAYS["plus"])
    model.blocks[1] = Half().double()
    wrapped = minicache.wrap(model)
    _, cache = wrapped.run_with_cache(TOKENS)
    assert "no linear map" in wrapped.refused["blocks.1.mlp.hook_post"]
    assert_near(cache["mlp_out", 1], model.blocks[1].norm(cache["resid_pre", 1]) / 2)
    assert_parts_sum(cache)


class Folded(nn.Module):
    """A block that adds up the two halves of what its linear map gives."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.wide = nn.LayerNorm(12), nn.Linear(12, 24)

    def forward(self, stream: Tensor) -> Tensor:
        return stream + self.wide(self.norm(stream)).unflatten(-1, (2, 12)).sum(-2)


def test_a_write_that_is_narrower_than_its_linear_map_has_no_neurons() -> None:
    model = Own(WAYS["plus"])
    model.blocks[1] = Folded().double()
    wrapped = minicache.wrap(model)
    _, cache = wrapped.run_with_cache(TOKENS)
    assert "not what one linear map gives" in wrapped.refused["blocks.1.mlp.hook_post"]
    assert_parts_sum(cache)


def test_heads_that_a_learned_scale_multiplies_sum_to_what_attention_wrote() -> None:
    model = Own(WAYS["plus"])
    scale = nn.Parameter(torch.linspace(0.5, 2, 12, dtype=torch.float64))
    for block in model.blocks:
        block.scale_z = lambda z: scale * z
    wrapped = minicache.wrap(model)
    _, cache = wrapped.run_with_cache(TOKENS)
    assert not wrapped.refused
    mixed = torch.einsum("bhqk,bkhd->bqhd", cache["pattern", 1], cache["v", 1])
    assert_near(cache["z", 1], mixed * scale.view(2, 6))
    assert_near(cache.get_full_resid_decomposition().sum(0), cache["resid_post", -1])


def test_a_norm_that_is_replaced_later_is_said() -> None:
    model = Own(WAYS["plus"])
    wrapped = minicache.wrap(model)
    with torch.no_grad():
        model.norm.weight.mul_(3)
    _, cache = wrapped.run_with_cache(TOKENS)
    assert_near(
        cache.logit_attrs(cache.decompose_resid(), 4).sum(0) + cache.logit_constant(4),
        cache["unembed.hook_out"][..., 4],
    )


def test_a_norm_that_is_none_any_more_is_said() -> None:
    wrapped = minicache.wrap(Own(WAYS["plus"]))
    wrapped.plan.final = nn.Softmax(-1)
    with pytest.raises(ConfigError, match="has changed since the model was wrapped"):
        _ = wrapped.ln_final.w, wrapped.plan.frozen(wrapped.plan.final, torch.zeros(12))


def test_logits_behind_two_linear_maps_are_attributed_through_both() -> None:
    model = tiny_model("opt", word_embed_proj_dim=16)
    tokens = torch.randint(3, 67, (2, 6), generator=torch.Generator().manual_seed(0))
    wrapped = minicache.wrap(model)
    _, cache = wrapped.run_with_cache(tokens)
    assert wrapped.W_U.shape == (24, 67)
    attributed = cache.logit_attrs(cache.decompose_resid(), 4).sum(0) + cache.logit_constant(4)
    assert_near(attributed, cache["unembed.hook_out"][..., 4])


def test_a_law_that_fails_refuses_what_rests_on_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(linear: Linear) -> Linear:
        return replace(linear, factor=2 * linear.factor)

    def wrong(*given: Any) -> Plan:
        plan = make_plan(*given)
        for site in plan.sites:
            site.linears = {name: doubled(linear) for name, linear in site.linears.items()}
        return plan

    monkeypatch.setattr(laws, "make_plan", wrong)
    wrapped = minicache.wrap(Own(WAYS["plus"]))
    assert "miss attn_out" in wrapped.refused["blocks.0.attn.hook_z"]
    assert "miss mlp_out" in wrapped.refused["blocks.1.mlp.hook_post"]
    assert "blocks.0.attn.hook_z" not in wrapped.hook_dict

    def wrong_at_the_end(*given: Any) -> Plan:
        plan = make_plan(*given)
        plan.unembed = [doubled(linear) for linear in plan.unembed]
        return plan

    monkeypatch.setattr(laws, "make_plan", wrong_at_the_end)
    with pytest.raises(ConfigError, match="do not sum to the logits"):
        minicache.wrap(Own(WAYS["plus"]))
