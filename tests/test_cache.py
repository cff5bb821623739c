"""The store: every spelling of an address agrees, and nothing is half-done after an error."""

import logging
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minicache import ActivationCache
from minicache.errors import (
    AddressTypeError,
    ArgumentTypeError,
    ArgumentValueError,
    BatchSizeError,
    LayerRangeError,
    MinicacheError,
    MissingActivationError,
    SliceRangeError,
    UnknownActivationError,
)
from minicache.names import split_act_name
from tests.worlds import random_model, run, runs, tokens


@given(one=runs())
def test_every_spelling_of_an_address_gives_the_same_activation(one):
    n_layers = one.model.cfg.n_layers
    for full in one.cache:
        tensor = one.cache[full]
        layer, rest = split_act_name(full)
        if layer is None:
            continue
        place, _, act = rest.rpartition("hook_")
        place = place.rstrip(".") or "block"
        spellings = [(act, layer, place), (act, layer - n_layers, place)]
        if not place.startswith("ln"):
            spellings += [f"{act}{layer}", (act, layer), (act, layer - n_layers)]
        for address in spellings:
            assert one.cache[address] is tensor
            assert address in one.cache
            assert one.cache.get(address) is tensor


ADDRESSES = st.one_of(
    st.sampled_from(
        ["q0", "q", "qq0", "embed", "scale", "scale0", "hook_embed", "mlp_out9", "z_0"]
    ),
    st.tuples(st.sampled_from(["q", "scale", "embed", "nonsense"]), st.none() | st.integers(-6, 6)),
    st.tuples(st.just("scale"), st.integers(-6, 6), st.sampled_from(["ln1", "ln2", "ln7"])),
    st.sampled_from([None, 1.5, True, b"q0", (), [], ("q", 0.5), ("q", True), ("q", 0, 0, 0)]),
)


@given(one=runs(), address=ADDRESSES)
def test_in_and_get_and_brackets_agree(one, address):
    missing = object()
    try:
        found = one.cache[address]
    except MinicacheError as error:
        assert str(error)
        assert address not in one.cache
        assert one.cache.get(address, missing) is missing
    else:
        assert address in one.cache
        assert one.cache.get(address) is found


def test_the_order_of_names_is_transformerlenss():
    cache = run(random_model(1), tokens(1, 3)).cache
    assert list(cache.keys()) == [
        "hook_embed",
        "hook_pos_embed",
        "blocks.0.hook_resid_pre",
        "blocks.0.ln1.hook_scale",
        "blocks.0.ln1.hook_normalized",
        "blocks.0.attn.hook_q",
        "blocks.0.attn.hook_k",
        "blocks.0.attn.hook_v",
        "blocks.0.attn.hook_attn_scores",
        "blocks.0.attn.hook_pattern",
        "blocks.0.attn.hook_z",
        "blocks.0.hook_attn_out",
        "blocks.0.hook_resid_mid",
        "blocks.0.ln2.hook_scale",
        "blocks.0.ln2.hook_normalized",
        "blocks.0.mlp.hook_pre",
        "blocks.0.mlp.hook_post",
        "blocks.0.hook_mlp_out",
        "blocks.0.hook_resid_post",
        "ln_final.hook_scale",
        "ln_final.hook_normalized",
        "unembed.hook_in",
        "unembed.hook_out",
    ]


def test_each_way_to_be_absent_has_its_own_exception_and_advice():
    cache = run(random_model(2), tokens(1, 3), names_filter=["hook_embed"]).cache
    for address, kind, builtin, words in [
        ("q9", LayerRangeError, IndexError, ["Layer 9", "has 2", "-2 to 1"]),
        (("q", -3), LayerRangeError, IndexError, ["Layer -3"]),
        ("blocks.7.attn.hook_q", LayerRangeError, IndexError, ["Layer 7"]),
        ("qq0", UnknownActivationError, KeyError, ["'qq0'", "Nearest: 'q'"]),
        ("blocks.0.attn.hook_w", UnknownActivationError, KeyError, ["Nearest", "hook_v"]),
        (("result", 0), UnknownActivationError, KeyError, ["no activation"]),
        ("q0", MissingActivationError, KeyError, ["was not kept", "1 of 40", "names_filter"]),
        ("hook_embed_grad", MissingActivationError, KeyError, ["incl_bwd=True"]),
        (1.5, AddressTypeError, TypeError, ["float", "(name, layer, layer_type)"]),
        (("q", True), AddressTypeError, TypeError, ["bool"]),
    ]:
        with pytest.raises(kind) as caught:
            cache[address]
        assert isinstance(caught.value, builtin)
        assert not str(caught.value).startswith(('"', "'")), "KeyError's repr shows"
        for word in words:
            assert word in str(caught.value)


def test_a_tuple_of_a_name_alone_is_an_address():
    cache = run(random_model(2), tokens(1, 3)).cache
    assert cache["embed",] is cache["hook_embed"]
    for address in ((), ("q", 0, "attn", 0)):
        with pytest.raises(AddressTypeError, match="is no address"):
            cache[address]


def test_a_cache_is_a_read_only_mapping_with_an_identity_of_its_own():
    cache = run(random_model(), tokens(2, 3)).cache
    assert len(cache) == len(list(cache)) == len(cache.keys()) == len(list(cache.values()))
    assert dict(cache.items()).keys() == set(cache)
    with pytest.raises(TypeError):
        cache["hook_embed"] = torch.zeros(1)
    assert cache == cache  # Mapping would compare tensors here
    assert cache != dict(cache)
    assert hash(cache) == hash(cache)


def test_changing_the_dictionary_it_was_made_from_does_not_change_the_cache():
    model = random_model()
    entries = {"hook_embed": torch.zeros(1, 2, 3)}
    cache = ActivationCache(entries, model)
    entries.clear()
    assert "embed" in cache
    assert cache["embed"].shape == (1, 2, 3)


def test_the_repr_is_a_short_summary():
    cache = run(random_model(), tokens(2, 5)).cache
    assert repr(cache).startswith("ActivationCache(40 activations, batch 2, 5 positions, ")
    assert repr(cache).endswith(" MB, cpu)")
    one = run(random_model(), tokens(1, 5), names_filter="hook_embed").cache.remove_batch_dim()
    assert repr(one) == "ActivationCache(1 activations, no batch axis, 0.00 MB, cpu)"
    assert repr(ActivationCache({}, random_model())) == "ActivationCache(empty)"


def test_the_repr_counts_shared_memory_once():
    shared = torch.zeros(1, 500, 500)
    cache = ActivationCache(
        {"hook_embed": shared, "blocks.0.hook_resid_pre": shared.view(1, 500, 500)}, random_model()
    )
    assert "1.00 MB" in repr(cache)


def test_remove_batch_dim_drops_the_axis_and_a_second_time_only_logs(caplog):
    cache = run(random_model(), tokens(1, 4)).cache
    assert cache.remove_batch_dim() is cache
    assert cache["embed"].shape == (4, 10)
    assert not cache.has_batch_dim
    assert not caplog.records
    cache.remove_batch_dim()
    assert [(r.name, r.levelno) for r in caplog.records] == [("minicache", logging.WARNING)]
    assert cache["embed"].shape == (4, 10)


def test_remove_batch_dim_is_all_or_nothing():
    model = random_model()
    entries = {
        "hook_embed": torch.zeros(1, 4, 10),
        "hook_pos_embed": torch.zeros(2, 4, 10),
    }
    cache = ActivationCache(entries, model)
    with pytest.raises(BatchSizeError, match=r"'hook_pos_embed' has shape \(2, 4, 10\)"):
        cache.remove_batch_dim()
    assert cache.has_batch_dim
    assert cache["embed"].shape == (1, 4, 10)


def test_the_guard_of_remove_batch_dim_stands_under_python_o():
    code = (
        "import torch, minicache\n"
        "assert False, 'python -O removes this'\n"
        "model = minicache.HookedTransformer.from_pretrained()\n"
        "cache = model.run_with_cache(['In France', 'In Spain'])[1]\n"
        "try: cache.remove_batch_dim()\n"
        "except ValueError as error: print(type(error).__name__, cache['embed'].shape)\n"
    )
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "BatchSizeError torch.Size([2, 3, 64])\n"


@given(one=runs(), data=st.data())
def test_a_slice_of_the_batch_gives_a_new_cache_and_leaves_the_old(one, data):
    if not one.cache.has_batch_dim:
        with pytest.raises(BatchSizeError, match="has no batch axis"):
            one.cache.apply_slice_to_batch_dim(0)
        assert one.cache.apply_slice_to_batch_dim(None)["embed"] is one.cache["embed"]
        return
    batch = one.tokens.shape[0]
    index = data.draw(st.integers(-batch, batch - 1))
    item = one.cache.apply_slice_to_batch_dim(index)
    some = one.cache.apply_slice_to_batch_dim([index])
    assert (item.has_batch_dim, some.has_batch_dim) == (False, True)
    for name, tensor in one.cache.items():
        assert torch.equal(item[name], tensor[index])
        assert torch.equal(some[name], tensor[[index]])
    assert one.cache["embed"].shape[0] == batch
    with pytest.raises(SliceRangeError):
        one.cache.apply_slice_to_batch_dim(batch)


@given(one=runs(dtype=torch.float32))
def test_moving_to_a_wider_dtype_and_back_keeps_every_value(one):
    before = dict(one.cache)
    assert one.cache.to(torch.float64).to("cpu").to(torch.float32) is one.cache
    for name, tensor in one.cache.items():
        assert torch.equal(tensor, before[name])


def test_to_what_it_already_is_copies_nothing_and_the_model_stays():
    one = run(random_model(), tokens(1, 3))
    before = dict(one.cache)
    one.cache.to("cpu").to(torch.float64)
    assert all(one.cache[name] is tensor for name, tensor in before.items())
    one.cache.to(torch.bfloat16)
    assert one.cache["embed"].dtype == torch.bfloat16
    assert one.model.W_E.dtype == torch.float64


@pytest.mark.parametrize("bad", [torch.int64, torch.bool, torch.complex64, 1.5, None, [], True])
def test_to_what_is_no_device_and_no_floating_dtype_raises_and_changes_nothing(bad):
    one = run(random_model(), tokens(1, 3))
    before = dict(one.cache)
    with pytest.raises(ArgumentTypeError):
        one.cache.to(bad)
    assert all(one.cache[name] is tensor for name, tensor in before.items())


@pytest.mark.parametrize(
    "bad",
    [
        "nowhere",
        "",
        "cpu:x",
        "meta",
        torch.device("meta"),
        "xla",
        "cuda:99",
        torch.device("cuda", 99),
    ],
    ids=str,
)
def test_to_a_device_that_is_not_there_or_keeps_no_data_raises_and_changes_nothing(bad):
    one = run(random_model(), tokens(1, 3))
    before = dict(one.cache)
    with pytest.raises(ArgumentValueError) as caught:
        one.cache.to(bad)
    assert repr(bad) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(one.cache[name] is tensor for name, tensor in before.items())


def test_stack_activation_stacks_one_activation_of_every_block_before_a_place():
    cache = run(random_model(3), tokens(2, 4)).cache
    assert cache.stack_activation("pattern").shape == (3, 2, 3, 4, 4)
    assert torch.equal(cache.stack_activation("q", 2)[1], cache["q", 1])
    assert cache.stack_activation("scale", None, "ln2").shape == (3, 2, 4, 1)
    assert cache.stack_activation("q", 0).shape == (0, 2, 4, 3, 4)
    with pytest.raises(LayerRangeError):
        cache.stack_activation("q", 5)


def test_toggle_autodiff_changes_the_switch_and_says_what_was_and_what_is(caplog):
    cache = run(random_model(), tokens(1, 2)).cache
    try:
        cache.toggle_autodiff()
        assert not torch.is_grad_enabled()
        cache.toggle_autodiff(True)
        assert torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
    assert [r.getMessage() for r in caplog.records] == [
        "toggle_autodiff changed a global switch: autodiff was on and is now off, "
        "for all code in this thread.",
        "toggle_autodiff changed a global switch: autodiff was off and is now on, "
        "for all code in this thread.",
    ]
    assert {r.name for r in caplog.records} == {"minicache"}
    with pytest.raises(ArgumentTypeError, match="True or False"):
        cache.toggle_autodiff("off")
    assert torch.is_grad_enabled()


def test_a_cache_whose_entries_hold_no_data_stays_where_it_is():
    model = random_model()
    cache = ActivationCache({"hook_embed": torch.empty(1, 3, 10, device="meta")}, model)
    with pytest.raises(ArgumentValueError, match="hold no data"):
        cache.to("cpu")


@pytest.mark.parametrize(
    "address",
    [
        "q" + "9" * 5000,
        "blocks." + "9" * 5000 + ".attn.hook_q",
        ("q", 10**5000),
        ("q", -(10**5000)),
        ("q", object()),
        ("x" * 10**5,),
        10**5000,
        "q\x00",
        "\ud800",
        "q\u0663",
    ],
    ids=range(10),
)
def test_in_never_raises_and_the_error_of_brackets_is_ours_and_short(address):
    cache = run(random_model(), tokens(1, 2)).cache
    assert address not in cache
    assert cache.get(address, "none") == "none"
    with pytest.raises(MinicacheError) as caught:
        cache[address]
    assert len(str(caught.value)) < 1500


def test_a_layer_of_an_address_may_be_any_kind_of_int():
    cache = run(random_model(3), tokens(1, 2)).cache
    for last in (2, np.int64(2), torch.tensor(2), -1, np.int8(-1), torch.tensor(-1)):
        assert cache["q", last] is cache["blocks.2.attn.hook_q"]


def test_an_item_of_a_batch_is_refused_where_there_is_no_batch_axis():
    cache = run(random_model(), tokens(1, 3)).cache
    stack = cache.decompose_resid()
    cache.remove_batch_dim()
    for analysis in (
        lambda: cache.logit_attrs(stack[:, 0], 3, batch_slice=0),
        lambda: cache.apply_ln_to_stack(stack[:, 0], batch_slice=0),
        lambda: cache.logit_constant(3, batch_slice=[0]),
        lambda: cache.apply_slice_to_batch_dim(0),
    ):
        with pytest.raises(BatchSizeError, match="has no batch axis"):
            analysis()
