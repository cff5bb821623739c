"""A wrapped model is used as `HookedTransformer` is, and the model under it stays as it was."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import minicache
from minicache.errors import ArgumentTypeError, ConfigError, HookError, ShapeError, TokenError
from tests.bridge.families import tiny_model
from tests.bridge.test_laws import assert_near, world


def test_importing_minicache_does_not_import_transformers() -> None:
    code = "import sys, minicache; minicache.wrap; sys.exit('transformers' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


TOKENS = torch.randint(3, 67, (2, 9), generator=torch.Generator().manual_seed(2))
# Of each kind of block one: sequential, sums of two writes, norms behind a write, factors.
TEN = "bloom cohere falcon gemma2 gpt2 gpt_neox gptj granite llama olmo2".split()
PARALLEL = {"cohere", "falcon", "gpt_neox", "gptj"}  # attention and MLP read the same stream


def last_linears(family: str, block: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The modules by which a person would name a block's output projections."""
    names = {
        "bloom": ("self_attention.dense", "mlp.dense_4h_to_h"),
        "falcon": ("self_attention.dense", "mlp.dense_4h_to_h"),
        "gpt2": ("attn.c_proj", "mlp.c_proj"),
        "gpt_neox": ("attention.dense", "mlp.dense_4h_to_h"),
        "gptj": ("attn.out_proj", "mlp.fc_out"),
    }.get(family, ("self_attn.o_proj", "mlp.down_proj"))
    return block.get_submodule(names[0]), block.get_submodule(names[1])


@pytest.mark.parametrize("family", TEN)
def test_replacing_z_equals_a_module_hook_by_hand(family: str) -> None:
    wrapped = world(family).wrapped
    out, _ = last_linears(family, wrapped.followed[1])
    n_heads, d_head = wrapped.cfg.n_heads, wrapped.cfg.d_head

    def without_head(tensor: Tensor, hook: object) -> Tensor:
        new = tensor.clone()
        new[:, :, 2] = 0
        return new

    def by_hand(module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        new = args[0].clone().view(2, 9, n_heads, d_head)
        new[:, :, 2] = 0
        return (new.view_as(args[0]),)

    assert_same_intervention(family, "blocks.1.attn.hook_z", without_head, out, by_hand)


@pytest.mark.parametrize("family", TEN)
def test_replacing_the_neurons_equals_a_module_hook_by_hand(family: str) -> None:
    _, down = last_linears(family, world(family).wrapped.followed[1])
    assert_same_intervention(
        family,
        "blocks.1.mlp.hook_post",
        lambda t, hook: t * 2,
        down,
        lambda m, args: (args[0] * 2,),
    )


@pytest.mark.parametrize("family", TEN)
def test_replacing_the_stream_equals_a_module_hook_by_hand(family: str) -> None:
    block = world(family).wrapped.followed[1]
    for name in ("blocks.1.hook_resid_pre", "blocks.0.hook_resid_post"):
        assert_same_intervention(
            family,
            name,
            lambda t, hook: t.roll(1, 1),
            block,
            lambda m, args, kwargs: ((args[0].roll(1, 1), *args[1:]), kwargs),
            with_kwargs=True,
        )


def last_writers(family: str, block: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The modules whose output is what attention and MLP add, but for a factor."""
    if family in ("gemma2", "olmo2"):
        return block.post_attention_layernorm, block.post_feedforward_layernorm
    return last_linears(family, block)


@pytest.mark.parametrize("family", TEN)
def test_replacing_what_was_written_equals_a_module_hook_by_hand(family: str) -> None:
    given = world(family)
    writers = last_writers(family, given.wrapped.followed[1])
    for name, module in zip(("attn_out", "mlp_out"), writers, strict=True):
        assert_same_intervention(
            family,
            f"blocks.1.hook_{name}",
            lambda t, hook: t * 3,
            module,
            lambda m, args, out: out * 3,
            behind=True,
        )


@pytest.mark.parametrize("family", sorted({*TEN} - PARALLEL))
def test_replacing_the_stream_in_the_middle_equals_a_module_hook_by_hand(family: str) -> None:
    """What is added to the stream between attention and MLP may as well be added by attention."""
    wrapped = world(family).wrapped
    factor = getattr(wrapped.model.config, "residual_multiplier", 1.0)
    assert_same_intervention(
        family,
        "blocks.1.hook_resid_mid",
        lambda t, hook: t + factor,
        last_writers(family, wrapped.followed[1])[0],
        lambda m, args, out: out + 1,
        behind=True,
    )


@pytest.mark.parametrize("family", sorted(PARALLEL))
def test_where_attention_and_mlp_read_the_same_stream_it_has_no_middle(family: str) -> None:
    assert "blocks.1.hook_resid_mid" not in world(family).wrapped.hook_dict


def assert_same_intervention(
    family: str,
    name: str,
    hook: object,
    module: nn.Module,
    by_hand: object,
    *,
    behind: bool = False,
    **kwargs: bool,
) -> None:
    given = world(family)
    register = module.register_forward_hook if behind else module.register_forward_pre_hook
    handle = register(by_hand, **kwargs)
    with torch.no_grad():
        expected = given.wrapped.model(given.tokens, use_cache=False).logits
        handle.remove()
        logits = given.wrapped.run_with_hooks(given.tokens, fwd_hooks=[(name, hook)])
    assert not torch.equal(expected, given.logits)
    assert_near(logits, expected)


def module_hooks(model: nn.Module) -> list[int]:
    """`transformers` keeps some on its modules, once it was asked for hidden states."""
    return [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]


def test_a_hook_that_raises_leaves_no_hook_on_the_model() -> None:
    wrapped = world("gpt2").wrapped

    def fail(tensor: Tensor, hook: object) -> None:
        raise TypeError("on purpose")  # which an operator of Python would take for its own

    hooks = module_hooks(wrapped.model)
    for name in wrapped.hook_dict:
        with pytest.raises(TypeError, match="on purpose"):
            wrapped.run_with_hooks(TOKENS, fwd_hooks=[(name, fail)])
        assert module_hooks(wrapped.model) == hooks
    assert torch.equal(wrapped(TOKENS), wrapped.model(TOKENS).logits)


def test_what_a_hook_adds_to_the_stream_is_not_taken_for_a_write() -> None:
    wrapped = world("llama").wrapped

    def look(tensor: Tensor, hook: object) -> None:
        tensor + tensor.roll(1, 0)

    with torch.no_grad():
        logits = wrapped.run_with_hooks(TOKENS, fwd_hooks=[(lambda name: True, look)])
        assert torch.equal(logits, wrapped.model(TOKENS).logits)


def test_a_replaced_value_of_another_shape_raises() -> None:
    with pytest.raises(ShapeError, match=r"blocks\.0\.attn\.hook_z"):
        world("llama").wrapped.run_with_hooks(
            TOKENS, fwd_hooks=[("blocks.0.attn.hook_z", lambda tensor, hook: tensor[:, :1])]
        )


def test_wrapping_leaves_the_model_and_the_random_numbers_as_they_were() -> None:
    model = tiny_model("gpt2")
    model.train()
    model.transformer.h[1].eval()
    modes = [module.training for module in model.modules()]
    weights = {name: (p.data_ptr(), p.clone()) for name, p in model.named_parameters()}
    state = torch.get_rng_state()
    minicache.wrap(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes
    for name, p in model.named_parameters():
        assert p.data_ptr() == weights[name][0]
        assert torch.equal(p, weights[name][1])
        assert p.grad is None


def test_two_threads_run_their_own_hooks_on_one_model() -> None:
    wrapped = world("gpt_neox").wrapped
    plain = wrapped(TOKENS).detach()
    start, wrong = threading.Barrier(3), []

    def run(factor: float | None) -> None:
        hooks = [] if factor is None else [("blocks.1.hook_attn_out", lambda t, hook: t * factor)]
        with torch.no_grad():
            expected = wrapped.run_with_hooks(TOKENS, fwd_hooks=hooks)
            start.wait()
            for _ in range(10):
                if not torch.equal(wrapped.run_with_hooks(TOKENS, fwd_hooks=hooks), expected):
                    wrong.append(factor)
            if (factor is None) != torch.equal(expected, plain):
                wrong.append(factor)

    threads = [threading.Thread(target=run, args=(factor,)) for factor in (None, 2.0, 3.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_gradients_reach_every_activation() -> None:
    wrapped = world("gemma2").wrapped
    _, cache = wrapped.run_with_cache(TOKENS, return_type="loss", incl_bwd=True)
    wrapped.zero_grad()
    names = [name for name in cache if not name.endswith("_grad")]
    assert all(f"{name}_grad" in cache for name in names)
    x = cache["resid_pre", 1].clone().requires_grad_()
    again = wrapped.run_with_hooks(
        TOKENS, return_type="loss", fwd_hooks=[("blocks.1.hook_resid_pre", lambda t, hook: x)]
    )
    again.backward()
    wrapped.zero_grad()
    assert_near(cache["blocks.1.hook_resid_pre_grad"], x.grad)


def test_half_precision_keeps_the_laws_within_its_rounding() -> None:
    for family in ("llama", "gpt_neox", "gemma2"):
        wrapped = minicache.wrap(tiny_model(family, dtype=torch.bfloat16))
        with torch.no_grad():
            logits, cache = wrapped.run_with_cache(TOKENS)
            assert torch.equal(logits, wrapped.model(TOKENS).logits)
        off = cache.decompose_resid().float().sum(0) - cache["resid_post", -1]
        assert off.abs().max() <= 0.03 * cache["resid_post", -1].abs().max()


def test_tokens_that_cannot_be_read_raise() -> None:
    wrapped = world("llama").wrapped
    for wrong in (torch.tensor([[67]]), torch.tensor([[0.5]]), torch.zeros(1, 65).long()):
        with pytest.raises(TokenError):
            wrapped(wrong)
    with pytest.raises(TokenError, match="tokenizer"):
        wrapped("text")
    with pytest.raises(TokenError, match="2 tokens"):
        wrapped(TOKENS[:, :1], return_type="loss")


@pytest.mark.wrong_type
def test_an_unknown_return_type_raises() -> None:
    with pytest.raises(ConfigError, match="return_type"):
        world("llama").wrapped(TOKENS, return_type="losses")


def test_what_is_no_model_of_transformers_raises() -> None:
    for wrong in (None, "gpt2", nn.Linear(2, 2)):
        with pytest.raises(ArgumentTypeError):
            minicache.wrap(wrong)
    with pytest.raises(ConfigError, match="compiled"):
        minicache.wrap(torch.compile(tiny_model("gpt2")))


def test_heads_of_a_layer_without_attention_are_refused_with_the_reason() -> None:
    cache = world("recurrent_gemma").cache
    with pytest.raises(ConfigError, match=r"blocks\.0\.attn.*not attention"):
        cache.stack_head_results()
    assert cache["attn_out", 0].shape == (2, 9, 24)


def test_a_norm_that_is_not_there_is_refused() -> None:
    cache = world("olmo2").cache
    with pytest.raises(ConfigError, match=r"blocks\.1\.ln1"):
        cache.decompose_resid(1, apply_ln=True)
    with pytest.raises(ConfigError, match="mlp_input"):
        world("gptj").cache.decompose_resid(1, mlp_input=True)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo"])
def test_a_wrapped_model_is_our_own_implementation_entry_by_entry(
    family: str, tmp_path: Path
) -> None:
    model = tiny_model(family, dtype=torch.float32, use_cache=True)
    model.save_pretrained(tmp_path)
    ours = minicache.HookedTransformer.from_pretrained(tmp_path)
    wrapped = minicache.wrap(model)
    with torch.no_grad():
        logits, cache = ours.run_with_cache(TOKENS)
        wrapped_logits, wrapped_cache = wrapped.run_with_cache(TOKENS)
    assert {*cache} == {*wrapped_cache}
    assert_near(wrapped_logits, logits)
    for name in cache:
        assert_near(wrapped_cache[name].nan_to_num(neginf=0), cache[name].nan_to_num(neginf=0))
        assert torch.equal(wrapped_cache[name].isinf(), cache[name].isinf())
    for analysis in ("decompose_resid", "stack_head_results", "get_full_resid_decomposition"):
        expected, labels = getattr(cache, analysis)(return_labels=True, layer=None)
        actual, wrapped_labels = getattr(wrapped_cache, analysis)(return_labels=True, layer=None)
        assert labels == wrapped_labels
        assert_near(actual, expected)


class Words:
    """As a tokenizer of `transformers` is called: it adds special tokens unless told not to."""

    bos_token_id, eos_token_id, pad_token_id = None, 2, None

    def __call__(self, text: str) -> object:
        raise AssertionError

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [2] * add_special_tokens + [10 + len(word) for word in text.split()]

    def decode(self, tokens: list[int]) -> str:
        return " ".join("x" * (token - 10) for token in tokens)


def test_text_goes_through_the_models_own_tokenizer() -> None:
    wrapped = minicache.wrap(tiny_model("llama"), Words())
    assert wrapped.to_tokens("a bb ccc").tolist() == [[2, 11, 12, 13]]
    assert wrapped.to_tokens(["a bb", "c"], prepend_bos=False).tolist() == [[11, 12], [11, 2]]
    assert wrapped.to_str_tokens("a bb", prepend_bos=False) == ["x", "xx"]
    _, cache = wrapped.run_with_cache("a bb ccc")
    attributions = cache.logit_attrs(cache.decompose_resid(), "bb", "a")
    assert attributions.shape == (7, 1, 4)


@pytest.mark.parametrize(
    ("family", "dropout"),
    [
        ("gpt2", {"embd_pdrop": 0.5}),
        ("gpt_neox", {"hidden_dropout": 0.3}),
        ("llama", {"attention_dropout": 0.3}),
    ],
)
def test_dropout_that_acts_is_said_and_not_passed_over(
    family: str, dropout: dict[str, float]
) -> None:
    wrapped = minicache.wrap(tiny_model(family, **dropout)).train()
    with pytest.raises(HookError, match=r"model\.eval"):
        wrapped.run_with_cache(TOKENS)
    assert wrapped(TOKENS).shape == (2, 9, 67)
    wrapped.eval()
    wrapped.run_with_cache(TOKENS)


def test_gradient_checkpointing_is_refused_while_it_acts() -> None:
    model = tiny_model("llama")
    wrapped = minicache.wrap(model)
    model.gradient_checkpointing_enable()
    wrapped.run_with_cache(TOKENS)
    wrapped.train()
    with pytest.raises(ConfigError, match="checkpointing"):
        wrapped.run_with_cache(TOKENS)
    assert wrapped(TOKENS).shape == (2, 9, 67)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_padding_on_the_left_gives_a_pattern_without_holes(attention: str) -> None:
    # In float64 the model's own mask overflows.
    wrapped = minicache.wrap(tiny_model("llama", torch.float32, attn_implementation=attention))
    mask = torch.ones_like(TOKENS)
    mask[0, :3] = 0
    with torch.no_grad():
        logits, cache = wrapped.run_with_cache(TOKENS, attention_mask=mask)
        plain = wrapped.model(TOKENS, attention_mask=mask).logits
        again = wrapped.run_with_hooks(
            TOKENS,
            attention_mask=mask,
            fwd_hooks=[(lambda name: name.endswith(("pattern", "scores")), lambda t, hook: t + 0)],
        )
    text = mask.bool()
    assert torch.equal(logits[text], plain[text])
    assert not cache["pattern", 1][0, :, 3:, :3].any()
    assert_near(again[mask.bool()], plain[mask.bool()])


def test_eager_and_fused_attention_show_the_same_pattern() -> None:
    for family in ("gpt2", "llama", "gemma3_text", "cohere2"):
        caches = []
        for attention in ("eager", "sdpa"):
            wrapped = minicache.wrap(tiny_model(family, attn_implementation=attention))
            caches.append(wrapped.run_with_cache(TOKENS)[1])
        eager, fused = caches
        assert {*eager} == {*fused}
        for name in eager:
            assert_near(eager[name].nan_to_num(neginf=0), fused[name].nan_to_num(neginf=0))
            assert torch.equal(eager[name].isinf(), fused[name].isinf())


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_prompt_of_one_token_attends_to_itself(attention: str) -> None:
    wrapped = minicache.wrap(tiny_model("llama", attn_implementation=attention))
    with torch.no_grad():
        logits, cache = wrapped.run_with_cache(TOKENS[:, :1])
        assert torch.equal(logits, wrapped.model(TOKENS[:, :1]).logits)
    assert torch.equal(cache["pattern", 1], torch.ones(2, 4, 1, 1, dtype=torch.float64))
    q, k = cache["q", 1], cache["k", 1].repeat_interleave(2, 2)
    assert_near(cache["attn_scores", 1][..., 0, 0], (q * k).sum(-1)[:, 0] / 6**0.5)
