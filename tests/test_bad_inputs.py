"""One table of what a user can get wrong: the call, our class, the builtin, a word of the message.

After every one of them the model and the cache are as they were.
"""

from __future__ import annotations

import pytest
import torch

from minicache import HookedTransformer, Slice, get_act_name
from minicache.errors import (
    AddressTypeError,
    ArgumentTypeError,
    ArgumentValueError,
    BatchSizeError,
    ConfigError,
    HookError,
    LayerRangeError,
    MinicacheError,
    MissingActivationError,
    ModelFileError,
    SliceError,
    SliceRangeError,
    TokenError,
    UnknownActivationError,
    UnknownWordError,
)
from minicache.model import HookedTransformerConfig

SHAPE = {"n_layers": 2, "d_model": 8, "n_ctx": 9, "d_head": 4, "n_heads": 2, "d_vocab": 11}


def config(**wrong):
    return lambda model, cache: HookedTransformerConfig(**{**SHAPE, **wrong})


def nothing(tensor, hook):
    return None


NAMES = [
    (lambda m, c: get_act_name("qq", 3), UnknownActivationError, KeyError, "Nearest"),
    (lambda m, c: get_act_name("q"), UnknownActivationError, KeyError, "Say which layer"),
    (lambda m, c: get_act_name("q", -1), LayerRangeError, IndexError, "counts from the end"),
    (lambda m, c: get_act_name("q", 3, "mlp"), UnknownActivationError, KeyError, "not in 'mlp'"),
    (lambda m, c: get_act_name("scale", 3), UnknownActivationError, KeyError, "Say which"),
    (lambda m, c: get_act_name("embed", 3), UnknownActivationError, KeyError, "whole model"),
    (lambda m, c: get_act_name("q3", 3), UnknownActivationError, KeyError, "given twice"),
    (lambda m, c: get_act_name("hook_embed", 3), UnknownActivationError, KeyError, "full name"),
    (lambda m, c: get_act_name(None, 3), AddressTypeError, TypeError, "string"),
    (lambda m, c: get_act_name("q", 3.0), AddressTypeError, TypeError, "int"),
    (lambda m, c: get_act_name("q", True), AddressTypeError, TypeError, "int"),
    (lambda m, c: get_act_name("q", 3, 1), AddressTypeError, TypeError, "ln1"),
    (lambda m, c: get_act_name(["q"], 3), AddressTypeError, TypeError, "string"),
    (lambda m, c: get_act_name("", 3), UnknownActivationError, KeyError, "no activation"),
]
ADDRESSES = [
    (lambda m, c: c["q", 2], LayerRangeError, IndexError, "-2 to 1"),
    (lambda m, c: c["q", -3], LayerRangeError, IndexError, "-2 to 1"),
    (lambda m, c: c["blocks.7.attn.hook_q"], LayerRangeError, IndexError, "this model has 2"),
    (lambda m, c: c["blocks.0.attn.hook_k"], MissingActivationError, KeyError, "names_filter"),
    (lambda m, c: c["k0"], MissingActivationError, KeyError, "names_filter"),
    (lambda m, c: c["blocks.0.attn.hook_qq"], UnknownActivationError, KeyError, "Nearest"),
    (lambda m, c: c["q0_grad"], UnknownActivationError, KeyError, "q0_grad"),
    (lambda m, c: c["blocks.0.attn.hook_q_grad"], MissingActivationError, KeyError, "incl_bwd"),
    (lambda m, c: c[0], AddressTypeError, TypeError, "int"),
    (lambda m, c: c[1.5], AddressTypeError, TypeError, "float"),
    (lambda m, c: c[None], AddressTypeError, TypeError, "NoneType"),
    (lambda m, c: c[True], AddressTypeError, TypeError, "bool"),
    (lambda m, c: c[b"q0"], AddressTypeError, TypeError, "bytes"),
    (lambda m, c: c[()], AddressTypeError, TypeError, "tuple"),
    (lambda m, c: c["q", 0, "attn", 1], AddressTypeError, TypeError, "tuple"),
    (lambda m, c: c["q", "0"], AddressTypeError, TypeError, "layer"),
    (lambda m, c: c["q", True], AddressTypeError, TypeError, "layer"),
    (lambda m, c: c[["q", 0]], AddressTypeError, TypeError, "list"),
    (lambda m, c: c.remove_batch_dim(), BatchSizeError, ValueError, "(2,"),
    (lambda m, c: c.to(torch.int64), ArgumentTypeError, TypeError, "floating"),
    (lambda m, c: c.to("nowhere"), ArgumentValueError, ValueError, "no device"),
    (lambda m, c: c.toggle_autodiff(1), ArgumentTypeError, TypeError, "True or False"),
    (lambda m, c: c.stack_activation("q", 4), LayerRangeError, IndexError, "places"),
    (lambda m, c: c.apply_slice_to_batch_dim(9), SliceRangeError, IndexError, "size 2"),
]
SLICES = [
    (lambda m, c: Slice("3"), SliceError, ValueError, "str"),
    (lambda m, c: Slice(1.5), SliceError, ValueError, "float"),
    (lambda m, c: Slice(True), SliceError, ValueError, "bool"),
    (lambda m, c: Slice(()), SliceError, ValueError, "slice"),
    (lambda m, c: Slice((1, 2, 3, 4)), SliceError, ValueError, "slice"),
    (lambda m, c: Slice((0, 4, -1)), SliceError, ValueError, "steps by -1"),
    (lambda m, c: Slice([[0, 1]]), SliceError, ValueError, "flat"),
    (lambda m, c: Slice([0.5]), SliceError, ValueError, "ints"),
    (lambda m, c: Slice([True, 0]), SliceError, ValueError, "bools"),
    (lambda m, c: Slice([True]).apply(torch.ones(3)), SliceRangeError, IndexError, "mask of 1"),
    (lambda m, c: Slice(3).apply(torch.ones(3)), SliceRangeError, IndexError, "size 3"),
    (lambda m, c: Slice(0).apply(torch.ones(3), dim=1), SliceRangeError, IndexError, "1 axes"),
    (lambda m, c: Slice([-1]).indices(), SliceError, ValueError, "max_ctx"),
]
HOOKS = [
    (lambda m, c: m.add_hook("hook_embd", nothing), UnknownActivationError, KeyError, "Nearest"),
    (lambda m, c: m.add_hook("hook_embed", "no"), HookError, TypeError, "function"),
    (
        lambda m, c: m.add_hook("hook_embed", nothing, dir="up"),
        ArgumentValueError,
        ValueError,
        "'bwd'",
    ),
    (lambda m, c: m.add_hook(3, nothing), HookError, TypeError, "3"),
    (
        lambda m, c: m.get_caching_hooks([10**5000]),
        UnknownActivationError,
        KeyError,
        "a value of type int",
    ),
    (
        lambda m, c: m.add_hook("hook_embed", nothing, dir=10**5000),
        ArgumentValueError,
        ValueError,
        "a value of type int",
    ),
    (lambda m, c: m.add_hook("hook_embed", 10**5000), HookError, TypeError, "of type int"),
    (lambda m, c: m.reset_hooks(direction="up"), ArgumentValueError, ValueError, "up"),
    (
        lambda m, c: m.run_with_hooks(
            torch.zeros(1, 2, dtype=torch.long), fwd_hooks=[("hook_embed", lambda t, hook: 3)]
        ),
        HookError,
        TypeError,
        "returned int",
    ),
    (
        lambda m, c: m.run_with_cache(torch.zeros(1, 2, dtype=torch.long), names_filter="q9"),
        UnknownActivationError,
        KeyError,
        "q9",
    ),
    (
        lambda m, c: m.run_with_cache(torch.zeros(2, 2, dtype=torch.long), remove_batch_dim=True),
        BatchSizeError,
        ValueError,
        "batch of 1",
    ),
]
MODELS = [
    (config(n_layers=0), ConfigError, ValueError, "n_layers"),
    (config(d_model=-1), ConfigError, ValueError, "d_model"),
    (config(n_heads=1.5), ConfigError, ValueError, "n_heads"),
    (config(act_fn="swish"), ConfigError, ValueError, "act_fn"),
    (lambda m, c: m(torch.zeros(1, 10, dtype=torch.long)), TokenError, ValueError, "n_ctx=9"),
    (lambda m, c: m(torch.full((1, 2), 11)), TokenError, ValueError, "0 to 10"),
    (lambda m, c: m(torch.full((1, 2), -1)), TokenError, ValueError, "0 to 10"),
    (lambda m, c: m(torch.zeros(1, 2)), TokenError, ValueError, "ints"),
    (lambda m, c: m(torch.zeros(1, 0, dtype=torch.long)), TokenError, ValueError, "at least"),
    (lambda m, c: m(torch.zeros(1, 1, 1, dtype=torch.long)), TokenError, ValueError, "shape"),
    (lambda m, c: m("a text"), TokenError, ValueError, "no tokenizer"),
    (lambda m, c: m(torch.zeros(1, 2).long(), return_type="x"), ConfigError, ValueError, "loss"),
    (
        lambda m, c: m(torch.zeros(1, 2).long(), stop_at_layer=5),
        LayerRangeError,
        IndexError,
        "-2 to 1",
    ),
    (
        lambda m, c: m(torch.zeros(1, 1).long(), return_type="loss"),
        TokenError,
        ValueError,
        "2 tokens",
    ),
    (lambda m, c: SHIPPED.to_tokens([]), TokenError, ValueError, "text"),
    (lambda m, c: SHIPPED("Mary and Jonh"), UnknownWordError, KeyError, "John"),
    (lambda m, c: SHIPPED.to_single_token("Mary and"), TokenError, ValueError, "2 tokens"),
    (
        lambda m, c: HookedTransformer.from_pretrained("no/such/folder"),
        ModelFileError,
        OSError,
        "no/such/folder",
    ),
]
ANALYSES = [
    (lambda m, c: c.decompose_resid(mode="atn"), ConfigError, ValueError, "'attn'"),
    (lambda m, c: c.decompose_resid(4), LayerRangeError, IndexError, "3 places"),
    (lambda m, c: c.decompose_resid(-4), LayerRangeError, IndexError, "3 places"),
    (lambda m, c: c.decompose_resid(mlp_input=True), LayerRangeError, IndexError, "no MLP"),
    (lambda m, c: c.decompose_resid(1.0), ArgumentTypeError, TypeError, "int"),
    (lambda m, c: c.decompose_resid(pos_slice=7), SliceRangeError, IndexError, "7"),
    (lambda m, c: c.stack_head_results(), MissingActivationError, KeyError, "hook_z"),
    (lambda m, c: c.get_neuron_results(5), LayerRangeError, IndexError, "-2 to 1"),
    (lambda m, c: c.logit_attrs(c.decompose_resid(), 99), TokenError, ValueError, "0 to 10"),
    (lambda m, c: c.logit_attrs(c.decompose_resid(), "a"), TokenError, ValueError, "tokenizer"),
    (
        lambda m, c: c.logit_attrs(c.decompose_resid(), torch.zeros(3).long()),
        TokenError,
        ValueError,
        "(3,)",
    ),
    (
        lambda m, c: c.logit_attrs(c.decompose_resid(), 1, torch.zeros(2).long()),
        TokenError,
        ValueError,
        "different shapes",
    ),
    (lambda m, c: c.head_logit_attrs(1), MissingActivationError, KeyError, "hook_z"),
]
TABLE = NAMES + ADDRESSES + SLICES + HOOKS + MODELS + ANALYSES
SHIPPED = HookedTransformer.from_pretrained()


@pytest.fixture(scope="module")
def patient():
    """A model with hooks of the user's own, and a cache without keys, values and z."""
    model = HookedTransformer(HookedTransformerConfig(**SHAPE, seed=0))
    left_out = ("hook_k", "hook_v", "hook_z")
    tokens = torch.arange(10).reshape(2, 5)
    _, cache = model.run_with_cache(tokens, names_filter=lambda name: not name.endswith(left_out))
    model.add_hook("blocks.0.attn.hook_q", nothing)
    return model, cache


def state(model, cache):
    hooks = {name: (tuple(p.fwd_hooks), tuple(p.bwd_hooks)) for name, p in model.hook_dict.items()}
    entries = {name: (tensor, tensor._version) for name, tensor in cache.items()}
    return hooks, list(entries), [(id(t), v) for t, v in entries.values()], cache.has_batch_dim


def test_the_table_holds_at_least_sixty_cases():
    assert len(TABLE) >= 60


@pytest.mark.parametrize("row", range(len(TABLE)))
def test_what_a_user_gets_wrong_raises_its_own_error_and_changes_nothing(patient, row):
    call, ours, builtin, word = TABLE[row]
    before, grad = state(*patient), torch.is_grad_enabled()
    with pytest.raises(ours) as caught:
        call(*patient)
    assert isinstance(caught.value, builtin)
    assert isinstance(caught.value, MinicacheError)
    assert type(caught.value) is ours
    assert word in str(caught.value)
    assert str(caught.value) == caught.value.args[0]  # KeyError would give its repr
    assert state(*patient) == before
    assert torch.is_grad_enabled() == grad
