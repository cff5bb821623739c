"""Laws and examples of the address grammar."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minicache import MinicacheError, get_act_name
from minicache.errors import (
    AddressTypeError,
    ArgumentTypeError,
    LayerRangeError,
    UnknownActivationError,
)
from minicache.names import AXES, axes_of, block_layer, pos_axis, split_act_name, stream_place
from tests.worlds import models, runs

EXAMPLES = [
    (("embed",), "hook_embed"),
    (("pos_embed",), "hook_pos_embed"),
    (("scale",), "ln_final.hook_scale"),
    (("normalized",), "ln_final.hook_normalized"),
    (("q", 3), "blocks.3.attn.hook_q"),
    (("q", 0), "blocks.0.attn.hook_q"),
    (("q", 3, "attn"), "blocks.3.attn.hook_q"),
    (("q", 3, "a"), "blocks.3.attn.hook_q"),
    (("q", 3, "attention"), "blocks.3.attn.hook_q"),
    (("q3",), "blocks.3.attn.hook_q"),
    (("k3a",), "blocks.3.attn.hook_k"),
    (("v12",), "blocks.12.attn.hook_v"),
    (("z", 1), "blocks.1.attn.hook_z"),
    (("result", 1), "blocks.1.attn.hook_result"),
    (("attn", 2), "blocks.2.attn.hook_pattern"),
    (("attn_logits", 2), "blocks.2.attn.hook_attn_scores"),
    (("attn_scores2",), "blocks.2.attn.hook_attn_scores"),
    (("key", 2), "blocks.2.attn.hook_k"),
    (("query2",), "blocks.2.attn.hook_q"),
    (("value", 0), "blocks.0.attn.hook_v"),
    (("pre5",), "blocks.5.mlp.hook_pre"),
    (("pre", 5, "m"), "blocks.5.mlp.hook_pre"),
    (("mlp_pre", 5), "blocks.5.mlp.hook_pre"),
    (("mlp_mid", 5), "blocks.5.mlp.hook_mid"),
    (("mlp_post", 5), "blocks.5.mlp.hook_post"),
    (("post", 0, "mlp"), "blocks.0.mlp.hook_post"),
    (("scale", 4, "ln1"), "blocks.4.ln1.hook_scale"),
    (("scale4ln1",), "blocks.4.ln1.hook_scale"),
    (("scale4", None, "ln1"), "blocks.4.ln1.hook_scale"),
    (("normalized", 27, "ln2"), "blocks.27.ln2.hook_normalized"),
    (("resid_pre", 0), "blocks.0.hook_resid_pre"),
    (("resid_post3",), "blocks.3.hook_resid_post"),
    (("attn_out", 1, "block"), "blocks.1.hook_attn_out"),
    (("mlp_out", 1, "b"), "blocks.1.hook_mlp_out"),
    (("out", None, "unembed"), "unembed.hook_out"),
    (("ln_final.hook_scale",), "ln_final.hook_scale"),
    (("hook_embed",), "hook_embed"),
    (("encoder.hook_mine",), "encoder.hook_mine"),
]


@pytest.mark.parametrize(("parts", "full"), EXAMPLES)
def test_an_address_has_the_full_name_that_transformerlens_gives_it(parts, full):
    assert get_act_name(*parts) == full


@given(model=models())
def test_every_name_that_a_model_emits_is_found_again_from_its_parts(model):
    for full in model.hook_dict:
        assert get_act_name(full) == full
        layer, rest = split_act_name(full)
        place, _, act = rest.rpartition("hook_")
        place = place.rstrip(".") or ("block" if layer is not None else None)
        assert get_act_name(act, layer, place if layer is not None else None) == full
        if layer is not None and "ln" in rest:
            assert get_act_name(f"{act}{layer}{place}") == full
        elif layer is not None:
            assert get_act_name(f"{act}{layer}") == full


@given(
    name=st.sampled_from(sorted({act for acts in AXES.values() for act in acts}))
    | st.text("abqkvz_03.", max_size=8),
    layer=st.none() | st.integers(0, 30),
    layer_type=st.none() | st.sampled_from(["attn", "a", "mlp", "m", "ln1", "ln2", "b", "x", ""]),
)
def test_get_act_name_is_idempotent_or_raises_an_error_of_ours(name, layer, layer_type):
    try:
        full = get_act_name(name, layer, layer_type)
    except MinicacheError as error:
        assert str(error)
    else:
        assert get_act_name(full) == full


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (("qq3",), ["'qq'", "Nearest: 'q'"]),
        (("q",), ["which layer", "('q', 0)"]),
        (("scale", 3), ["'ln1'", "'ln2'"]),
        (("scale3",), ["('scale', 3, 'ln1')"]),
        (("embed", 0), ["whole model"]),
        (("q", 3, "mlp"), ["not in 'mlp'", "'attn'"]),
        (("pre", 3, "attn"), ["not in 'attn'", "'mlp'"]),
        (("resid_pre", 3, "attn"), ["the block itself"]),
        (("q3", 4), ["given twice"]),
        (("k3a", None, "attn"), ["given twice"]),
        (("hook_embed", 0), ["full name"]),
        (("blocks.0.attn.hook_q", None, "attn"), ["full name"]),
        (("",), ["no activation is called ''"]),
        (("scal", 3, "ln1"), ["Nearest: 'scale'"]),
        (("scale", 3, "ln9"), ["not in 'ln9'"]),
    ],
)
def test_nonsense_raises_and_says_what_would_make_sense(parts, words):
    with pytest.raises(UnknownActivationError) as caught:
        get_act_name(*parts)
    for word in words:
        assert word in str(caught.value)


def test_a_negative_layer_raises_and_points_to_the_cache():
    with pytest.raises(LayerRangeError, match=r"cache\['q', -1\] counts from the end"):
        get_act_name("q", -1)


@pytest.mark.parametrize(
    "parts", [(3,), (None,), (b"q",), ("q", 1.5), ("q", True), ("q", "3"), ("q", 3, 1), (["q"],)]
)
def test_a_part_of_the_wrong_type_raises_a_type_error_of_ours(parts):
    with pytest.raises(AddressTypeError):
        get_act_name(*parts)


@given(n_layers=st.integers(1, 6), layer=st.integers(-9, 9))
def test_a_block_layer_counts_as_a_list_index(n_layers, layer):
    blocks = list(range(n_layers))
    try:
        expected = blocks[layer]
    except IndexError:
        with pytest.raises(LayerRangeError):
            block_layer(layer, n_layers)
    else:
        assert block_layer(layer, n_layers) == expected


@given(n_layers=st.integers(1, 6), layer=st.integers(-9, 9), mlp_input=st.booleans())
def test_a_place_in_the_stream_counts_as_an_index_of_n_layers_plus_one(n_layers, layer, mlp_input):
    places = list(range(n_layers + 1))
    try:
        expected = places[layer]
        outside = mlp_input and expected == n_layers
    except IndexError:
        outside = True
    if outside:
        with pytest.raises(LayerRangeError):
            stream_place(layer, n_layers, mlp_input=mlp_input)
    else:
        assert stream_place(layer, n_layers, mlp_input=mlp_input) == expected


def test_none_is_the_last_place():
    assert stream_place(None, 3) == 3


@pytest.mark.parametrize("layer", [True, 1.0, "1"])
def test_a_layer_of_the_wrong_type_is_an_argument_of_the_wrong_type(layer):
    for counted in (stream_place, block_layer):
        with pytest.raises(ArgumentTypeError, match=f"layer is an int.*not {layer!r} of type"):
            counted(layer, 3)


@pytest.mark.parametrize("two", [np.int64(2), torch.tensor(2), np.array(2)])
def test_whatever_python_takes_for_an_index_is_a_layer(two):
    assert get_act_name("q", two) == "blocks.2.attn.hook_q"
    assert block_layer(two, 3) == stream_place(two, 3) == 2


@pytest.mark.parametrize(
    "layer", [np.bool_(True), torch.tensor(True), torch.tensor([2]), torch.tensor(2.0), "2", 2.0]
)
def test_what_is_no_index_is_no_layer(layer):
    with pytest.raises(AddressTypeError, match="layer is an int"):
        get_act_name("q", layer)
    with pytest.raises(ArgumentTypeError, match="layer is an int"):
        block_layer(layer, 3)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_layer_too_long_to_print_raises_an_error_of_ours(sign):
    huge = sign * 10**5000
    for call in (block_layer, stream_place):
        with pytest.raises(LayerRangeError, match="was asked for"):
            call(huge, 3)
    with pytest.raises(LayerRangeError, match="from 0 up"):
        get_act_name("q", huge)


@pytest.mark.parametrize(
    "name", ["q" + "9" * 5000, "blocks." + "9" * 5000 + ".hook_q", "q" * 10**6]
)
def test_a_name_of_any_length_is_a_name_or_an_error_of_ours_and_the_message_is_short(name):
    try:
        assert get_act_name(name) == name  # a full name is not looked up
    except UnknownActivationError as error:
        assert len(str(error)) < 1000


@pytest.mark.parametrize(
    ("name", "axis"),
    [
        ("blocks.0.attn.hook_q", -3),
        ("blocks.0.attn.hook_z_grad", -3),
        ("blocks.0.attn.hook_pattern", -2),
        ("blocks.0.hook_resid_pre", -2),
        ("ln_final.hook_scale", -2),
    ],
)
def test_position_stands_before_the_heads_where_there_are_heads(name, axis):
    assert pos_axis(name) == axis


@pytest.mark.parametrize("name", ["q", "k", "v", "z", "result", "rot_q", "rot_k"])
def test_position_stands_third_from_the_end_of_every_activation_with_heads(name):
    assert pos_axis(f"blocks.11.attn.hook_{name}") == -3


@pytest.mark.parametrize("name", ["q_input", "k_input", "v_input", "attn_in"])
def test_what_a_model_may_feed_each_head_has_a_head_axis(name):
    assert axes_of(f"blocks.0.hook_{name}") == ("pos", "head", "d_model")
    assert pos_axis(f"blocks.0.hook_{name}") == -3


def test_the_axes_of_an_unknown_name_raise_and_its_position_is_next_to_last():
    for name in ("hook_q", "hook_middle", "blocks.0.attn.hook_w", "encoder.hook_mine", ""):
        with pytest.raises(UnknownActivationError, match="AXES does not have it"):
            axes_of(name)
        assert pos_axis(name) == -2


@given(one=runs())
def test_the_table_of_axes_is_what_a_run_gives(one):
    cfg = one.model.cfg
    pos = one.tokens.shape[-1]
    sizes = {"pos": pos, "query": pos, "key": pos, "head": cfg.n_heads, "1": 1}
    sizes |= {name: getattr(cfg, name) for name in ("d_model", "d_head", "d_mlp", "d_vocab")}
    for name, entry in one.cache.items():
        assert entry.shape[one.cache.has_batch_dim :] == tuple(sizes[a] for a in axes_of(name))
        assert entry.shape[pos_axis(name)] == pos
