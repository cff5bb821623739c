"""However a block writes its additions down, the stream is followed; or it is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import minicache
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


@pytest.mark.parametrize(
    ("add", "reason"),
    [
        (lambda s, w: torch.add(s, w, alpha=2), "adds something else"),
        (lambda s, w: s + 1.0 + w, "adds something else"),
        (lambda s, w: s + s + w, "adds something else"),
        (lambda s, w: torch.lerp(s, s + w, 1.0) * 1.0, "ends with something else"),
        (lambda s, w: 0.5 * s + w, "ends with something else"),
        (lambda s, w: torch.stack([s, w]).sum(0), "ends with something else"),
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
    with pytest.raises(HookError, match="more often"):
        wrapped.run_with_cache(TOKENS)


def test_a_stream_that_is_changed_between_blocks_is_refused() -> None:
    model = Own(WAYS["plus"])
    model.blocks[1].register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    with pytest.raises(ConfigError, match="changed in between"):
        minicache.wrap(model)


def test_a_final_scale_that_is_no_norm_is_refused() -> None:
    model = Own(WAYS["plus"])
    model.norm = nn.Softmax(-1)
    with pytest.raises(ConfigError, match="Logits are to be a norm"):
        minicache.wrap(model)


def test_a_model_without_blocks_or_with_one_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="no list of blocks"):
        minicache.wrap(Own(WAYS["plus"], n_blocks=0))
    model = Own(WAYS["plus"])
    model.blocks[1] = model.blocks[0]
    with pytest.raises(ConfigError, match="each run once"):
        minicache.wrap(model)


def test_of_several_lists_the_one_that_text_goes_through_is_followed() -> None:
    model = Own(WAYS["plus"])
    model.vision = nn.ModuleList(nn.Linear(100, 100) for _ in range(3))
    assert minicache.wrap(model).cfg.n_layers == 2


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
    with pytest.raises(ConfigError, match="not linear after its scale"):
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
    weight = Linear.weight

    def wrong(linear: Linear) -> Tensor:
        return weight(linear) * (2 if linear.module.out_features == 12 else 1)

    monkeypatch.setattr(Linear, "weight", wrong)
    wrapped = minicache.wrap(Own(WAYS["plus"]))
    assert "miss attn_out" in wrapped.refused["blocks.0.attn.hook_z"]
    assert "miss mlp_out" in wrapped.refused["blocks.1.mlp.hook_post"]
    assert "blocks.0.attn.hook_z" not in wrapped.hook_dict
    monkeypatch.setattr(Linear, "weight", lambda linear: weight(linear) * 2)
    with pytest.raises(ConfigError, match="do not sum to the logits"):
        minicache.wrap(Own(WAYS["plus"]))
