"""A model in an unusual state is wrapped and runs right, or it is said what is in the way."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

import minicache
from exercises.grader.accelerator import accelerator
from minicache.bridge.probe import probe_norm
from minicache.errors import ConfigError, HookError
from tests.bridge.families import tiny_config, tiny_model
from tests.bridge.own import Own
from tests.bridge.test_laws import assert_near, world

TOKENS = torch.randint(3, 67, (2, 9), generator=torch.Generator().manual_seed(4))


def assert_whole(wrapped: Any) -> None:
    logits, cache = wrapped.run_with_cache(TOKENS)
    assert torch.equal(logits, wrapped.model(TOKENS, use_cache=False).logits)
    assert_near(cache.get_full_resid_decomposition().sum(0), cache["resid_post", -1])


@pytest.mark.parametrize("argument", ["past_key_values", "logits_to_keep", "use_cache"])
def test_an_argument_that_changes_what_a_run_is_over_is_refused_by_name(argument: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot take {argument}"):
        world("llama").wrapped(TOKENS, **{argument: 1})


@pytest.mark.parametrize(("before", "behind"), [("sdpa", "eager"), ("eager", "sdpa")])
def test_a_hook_that_a_changed_model_would_not_reach_is_said(before: str, behind: str) -> None:
    wrapped = minicache.wrap(tiny_model("llama", attn_implementation=before))
    wrapped.model.set_attn_implementation(behind)
    hooks = [("blocks.1.attn.hook_pattern", lambda tensor, hook: tensor * 0)]
    with pytest.raises(HookError, match=r"did not reach 1 of 1 .*blocks\.1\.attn\.hook_pattern"):
        wrapped.run_with_hooks(TOKENS, fwd_hooks=hooks)
    assert_whole(minicache.wrap(wrapped.model))


def test_a_sum_that_a_changed_model_does_not_add_is_said() -> None:
    model = tiny_model("gpt2")
    wrapped = minicache.wrap(model)
    model.transformer.drop.register_forward_hook(lambda module, args, output: output * 2)
    with pytest.raises(HookError, match="no sum of hook_embed and hook_pos_embed"):
        wrapped.run_with_cache(TOKENS)


def test_a_module_that_was_replaced_is_said() -> None:
    model = tiny_model("llama")
    wrapped = minicache.wrap(model)
    model.model.layers[1].mlp.down_proj = nn.Linear(36, 24, dtype=torch.float64)
    with pytest.raises(HookError, match=r"blocks\.1\.mlp\.hook_post"):
        wrapped.run_with_cache(TOKENS)


@pytest.mark.parametrize("compiled", ["whole", "block", "forward"])
def test_a_compiled_part_is_refused_when_wrapped_and_when_compiled_later(compiled: str) -> None:
    model = tiny_model("llama")
    wrapped = minicache.wrap(model)
    if compiled == "block":
        model.model.layers[1] = torch.compile(model.model.layers[1], backend="eager")
    elif compiled == "forward":
        model.forward = torch.compile(model.forward, backend="eager")
    else:
        model.compile(backend="eager")
    with pytest.raises(ConfigError, match="is compiled"):
        minicache.wrap(model)
    with pytest.raises(ConfigError, match="is compiled"):
        wrapped.run_with_cache(TOKENS)


def test_a_model_that_returns_tuples_is_refused() -> None:
    model = tiny_model("llama")
    model.config.return_dict = False
    with pytest.raises(ConfigError, match="return_dict = True"):
        minicache.wrap(model)


def test_a_model_that_returns_tuples_later_is_told_with_hooks_and_without() -> None:
    model = tiny_model("llama")
    wrapped = minicache.wrap(model)
    model.config.return_dict = False
    with pytest.raises(ConfigError, match="return_dict = True"):
        wrapped(TOKENS)
    with pytest.raises(ConfigError, match="return_dict = True"):
        wrapped.run_with_cache(TOKENS)


def test_a_model_is_wrapped_under_autocast_as_without() -> None:
    model = tiny_model("llama")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        wrapped = minicache.wrap(model)
    _, cache = wrapped.run_with_cache(TOKENS)
    _, expected = minicache.wrap(model).run_with_cache(TOKENS)
    assert {*cache} == {*expected}


def test_a_model_on_an_accelerator_is_wrapped_where_it_is() -> None:
    model = tiny_model("llama").float()
    _, expected = minicache.wrap(model).run_with_cache(TOKENS)
    wrapped = minicache.wrap(model.to(accelerator()))
    _, cache = wrapped.run_with_cache(TOKENS)
    assert cache["resid_post", 0].device.type == accelerator().type == wrapped.W_E.device.type
    assert {*cache} == {*expected}
    assert_near(cache["resid_post", -1].cpu(), expected["resid_post", -1])


def test_a_model_spread_over_two_devices_is_analysed_on_one() -> None:
    model = tiny_model("llama").float()
    _, expected = minicache.wrap(model).run_with_cache(TOKENS)
    block = model.to(accelerator()).model.layers[1].cpu()

    def move(to: object) -> Callable[..., Any]:
        return partial(tree_map, lambda x: x.to(to) if isinstance(x, Tensor) else x)

    block.register_forward_pre_hook(
        lambda block, args, kwargs: move("cpu")((args, kwargs)), with_kwargs=True
    )
    block.register_forward_hook(lambda block, args, output: move(accelerator())(output))
    wrapped = minicache.wrap(model)
    _, cache = wrapped.run_with_cache(TOKENS.to(accelerator()))
    assert {cache["resid_post", layer].device.type for layer in range(3)} == {"cpu", "accel"}
    _, cache = wrapped.run_with_cache(TOKENS.to(accelerator()), device="cpu")
    assert {*cache} == {*expected}
    assert_near(cache.decompose_resid(), expected.decompose_resid())
    assert_near(cache.stack_head_results(), expected.stack_head_results())


def test_a_model_without_values_is_refused() -> None:
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(tiny_config("llama"))
    with pytest.raises(ConfigError, match="meta device"):
        minicache.wrap(model)


def test_an_error_of_the_model_itself_is_named_and_chained() -> None:
    def fail(stream: Tensor, written: Tensor) -> Tensor:
        raise ValueError("on purpose")

    with pytest.raises(ConfigError, match=r"Own failed on random tokens.*on purpose") as caught:
        minicache.wrap(Own(fail))
    assert isinstance(caught.value.__cause__, ValueError)


def test_embeddings_in_several_tables_are_refused_with_the_reason() -> None:
    model = Own(lambda stream, written: stream + written)
    model.get_input_embeddings = lambda: nn.ModuleList([model.embed, model.embed])
    with pytest.raises(ConfigError, match="input embeddings in a ModuleList, and not in one table"):
        minicache.wrap(model)


class Adapted(nn.Module):
    """A linear map with a small one beside it, which adds nothing until it is trained."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear
        self.down = nn.Linear(linear.in_features, 2, bias=False, dtype=torch.float64)
        self.up = nn.Linear(2, linear.out_features, bias=False, dtype=torch.float64)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.up(self.down(x)) * 2


def test_heads_and_neurons_behind_an_adapter_are_refused_before_it_is_trained() -> None:
    model = tiny_model("llama")
    layer = model.model.layers[1]
    layer.self_attn.o_proj = Adapted(layer.self_attn.o_proj)
    layer.mlp.down_proj = Adapted(layer.mlp.down_proj)
    layer.self_attn.q_proj = Adapted(layer.self_attn.q_proj)
    refused = minicache.wrap(model).refused
    assert {*refused} == {"blocks.1.attn.hook_z", "blocks.1.mlp.hook_post"}
    assert all("another activation is added" in reason for reason in refused.values())


def test_an_unembedding_with_an_adapter_is_refused() -> None:
    model = tiny_model("llama")
    model.lm_head = Adapted(model.lm_head)
    with pytest.raises(ConfigError, match="another activation is added"):
        minicache.wrap(model)


def test_weights_made_in_inference_mode_are_read_anew() -> None:
    with torch.inference_mode():
        model = tiny_model("gemma2")
    wrapped = minicache.wrap(model)
    with torch.no_grad():
        assert_whole(wrapped)
        with torch.inference_mode():
            model.model.layers[1].post_attention_layernorm.weight.mul_(3)
            model.model.norm.weight.mul_(2)
        assert_whole(wrapped)


def test_a_hook_may_run_another_wrapping_of_the_same_model() -> None:
    wrapped = minicache.wrap(tiny_model("gpt_neox"))
    other = minicache.wrap(wrapped.model)
    plain = wrapped(TOKENS)

    def run_other(tensor: Tensor, hook: object) -> Tensor:
        return other.run_with_cache(TOKENS)[1]["attn_out", 1]

    for name in ("blocks.1.hook_attn_out", "blocks.1.hook_mlp_out"):
        hooks = [(name, run_other)]
        expected = wrapped.run_with_hooks(TOKENS, fwd_hooks=[(name, lambda t, hook: t)])
        assert torch.equal(expected, plain)
        logits = wrapped.run_with_hooks(TOKENS, fwd_hooks=hooks)
        assert torch.equal(logits, plain) == (name == "blocks.1.hook_attn_out")


def test_a_deep_copy_reads_its_own_weights() -> None:
    wrapped = minicache.wrap(tiny_model("gemma2"))
    other = copy.deepcopy(wrapped)
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter.mul_(1.5)
    assert_whole(other)
    assert_whole(wrapped)
    assert torch.equal(other.blocks[1].attn.W_O, 1.5 * wrapped.blocks[1].attn.W_O)


def test_what_was_wrapped_is_freed_with_its_last_reference() -> None:
    model = tiny_model("llama")
    wrapped = minicache.wrap(model)
    _, cache = wrapped.run_with_cache(TOKENS)
    gone = weakref.ref(model)
    del model, wrapped, cache
    assert gone() is None


def test_generation_is_the_models_own_before_and_behind_wrapping() -> None:
    model = tiny_model("llama", torch.float32)
    before = model.generate(TOKENS, max_new_tokens=4, do_sample=False)
    wrapped = minicache.wrap(model)
    wrapped.add_hook("blocks.1.hook_attn_out", lambda tensor, hook: 0 * tensor)
    assert torch.equal(model.generate(TOKENS, max_new_tokens=4, do_sample=False), before)


def test_a_module_too_narrow_for_a_norm_is_none() -> None:
    for width in (1, 2):
        assert probe_norm(nn.LayerNorm(width), torch.zeros(width)) is None
    assert probe_norm(nn.Identity(), torch.tensor(1.0)) is None
