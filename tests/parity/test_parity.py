"""The same weights here and in TransformerLens 3.9.0: the same numbers, names and shapes."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

tl = pytest.importorskip(
    "transformer_lens", reason="TransformerLens is not installed: see tests/parity/README.md"
)

from transformer_lens.utilities.components_utils import get_act_name as their_act_name  # noqa: E402

from minicache import Slice, get_act_name  # noqa: E402
from minicache.errors import ConfigError, LayerRangeError, MinicacheError, TokenError  # noqa: E402
from tests.peer import peer_of  # noqa: E402
from tests.worlds import random_model, tokens  # noqa: E402

# What minicache does otherwise, on purpose. Each row has a test below that shows both.
DEVIATIONS = {
    "layer=-2": "indexes the stream's places; the reference gives only the embeddings",
    "mode typo": "raises; the reference takes it for 'all'",
    "LayerNorm weight": "scaled components use it, so rows sum; the reference leaves it out",
    "mlp_input at the end": "raises LayerRangeError; the reference raises a bare KeyError",
    "names of nothing": "raise; the reference builds a name that no model has",
    "tokens of batch": "go with the batch axis; the reference lays them along the last axis",
    "remove_batch_dim of several": "raises; the reference keeps the first item and drops the rest",
    "analyses and the cache": "leave it as it was; the reference adds hook_result to it",
    "gradients at ln1": "are whole; the reference runs ln1 for each of q, k, v: one third",
    "hooks of a block": "act on its own thread's runs; the reference's act in every thread",
    "hook_dict": "has no points that only a flag of the reference turns on",
}


@pytest.fixture(scope="module", params=[False, True], ids=["with_mlp", "attn_only"])
def pair(request):
    """(ours, theirs) with one set of weights, LayerNorm not folded, and a run of each."""
    return make_pair(request.param, fold=False)


@pytest.fixture(scope="module", params=[False, True], ids=["with_mlp", "attn_only"])
def folded(request):
    """Each LayerNorm has weight 1 and bias 0: there the reference's scaling is exact."""
    return make_pair(request.param, fold=True)


def make_pair(attn_only, fold):
    ours = random_model(3, n_heads=2, attn_only=attn_only, dtype=torch.float32)
    if fold:
        with torch.no_grad():
            for name, parameter in ours.named_parameters():
                if "ln" in name:
                    parameter.fill_(1.0 if name.endswith("w") else 0.0)
    theirs = peer_of(ours)
    ids = tokens(2, 6)
    with torch.no_grad():
        our_logits, our_cache = ours.run_with_cache(ids)
        their_logits, their_cache = theirs.run_with_cache(ids)
    close(our_logits, their_logits)
    return ours, theirs, our_cache, their_cache, ids


def close(ours, theirs):
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-5)


def test_state_dicts_load_both_ways(pair):
    ours, theirs, *_ = pair
    ours.load_state_dict(theirs.state_dict())
    assert set(ours.state_dict()) <= set(theirs.state_dict())
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name])


def test_every_activation_is_the_same_under_the_same_name_in_the_same_order(pair):
    _, _, our_cache, their_cache, _ = pair
    assert list(our_cache) == list(their_cache)
    for name in our_cache:
        close(our_cache[name], their_cache[name])


def test_losses_texts_and_gradients_agree(pair):
    ours, theirs, _, _, ids = pair
    loss, our_cache = ours.run_with_cache(ids, return_type="loss", incl_bwd=True)
    their_loss, their_cache = theirs.run_with_cache(ids, return_type="loss", incl_bwd=True)
    close(loss.detach(), their_loss.detach())
    ours.zero_grad()
    theirs.zero_grad()
    assert set(our_cache) == set(their_cache)
    for name in our_cache:
        if not (".ln1." in name and name.endswith("_grad")):  # a deviation, shown below
            close(our_cache[name], their_cache[name])


@pytest.mark.parametrize("start", [0, 1, -1, 3])
def test_a_run_that_starts_at_a_layer_is_the_same(pair, start):
    ours, theirs, cache, _, ids = pair
    stream = cache["resid_post", -1] if start == 3 else cache["resid_pre", start]
    with torch.no_grad():
        close(ours(stream, start_at_layer=start), theirs(stream, start_at_layer=start))
        asked = dict(start_at_layer=start, return_type="loss", tokens=ids)
        close(ours(stream, **asked), theirs(stream, **asked))


def test_hooks_change_both_models_alike(pair):
    ours, theirs, _, _, ids = pair

    def zero(tensor, hook):
        return tensor * 0 if "z" in hook.name else None

    for name in ("blocks.1.attn.hook_z", lambda name: name.endswith("hook_z")):
        with torch.no_grad():
            changed = ours.run_with_hooks(ids, fwd_hooks=[(name, zero)])
            close(changed, theirs.run_with_hooks(ids, fwd_hooks=[(name, zero)]))


@pytest.mark.parametrize("pos_slice", [None, 2, -1, (1, 4), [0, 3, 3]])
def test_caching_options_agree(pair, pos_slice):
    ours, theirs, _, _, ids = pair
    for names_filter in (None, "hook_embed", lambda name: name.endswith(("q", "pattern"))):
        options = dict(names_filter=names_filter, pos_slice=pos_slice)
        with torch.no_grad():
            our_cache = ours.run_with_cache(ids, **options)[1]
            their_cache = theirs.run_with_cache(ids, **options)[1]
            one = ours.run_with_cache(ids[:1], remove_batch_dim=True, **options)[1]
            their_one = theirs.run_with_cache(ids[:1], remove_batch_dim=True, **options)[1]
        for mine, yours in ((our_cache, their_cache), (one, their_one)):
            assert list(mine) == list(yours)
            for name in mine:
                close(mine[name], yours[name])


def both(our_cache, their_cache, method, *args, **kwargs):
    """The method's result on both, tensors compared, labels compared."""
    ours, our_labels = getattr(our_cache, method)(*args, **kwargs, return_labels=True)
    theirs, their_labels = getattr(their_cache, method)(*args, **kwargs, return_labels=True)
    close(ours, theirs)
    assert our_labels == list(their_labels)


LAYERS = [None, 0, 1, 3, -1]
CUTS = [None, -1, (1, 4), [0, 3]]


def test_decompose_resid_over_the_grid_of_its_arguments(folded):
    _, _, ours, theirs, _ = folded
    for layer, mode, ln, cut, embeds in itertools.product(
        LAYERS, ("all", "attn", "mlp"), (False, True), CUTS, (True, False)
    ):
        if not embeds and (layer == 0 or (mode == "mlp" and ours.model.cfg.attn_only)):
            continue  # nothing to stack: the reference cannot
        options = dict(mode=mode, apply_ln=ln, pos_slice=cut, incl_embeds=embeds)
        both(ours, theirs, "decompose_resid", layer, **options)
        if layer in (0, 1) and not ours.model.cfg.attn_only:
            both(ours, theirs, "decompose_resid", layer, mlp_input=True, **options)


def test_accumulated_resid_over_the_grid_of_its_arguments(pair):
    _, _, ours, theirs, _ = pair
    mids = (False,) if ours.model.cfg.attn_only else (False, True)
    for layer, mid, cut in itertools.product(LAYERS, mids, (None, (1, 4), [0, 3])):
        both(ours, theirs, "accumulated_resid", layer, incl_mid=mid, pos_slice=cut)
    for cut in (None, (1, 4)):
        both(ours, theirs, "accumulated_resid", None, apply_ln=True, pos_slice=cut)


def test_heads_neurons_and_the_full_decomposition_over_their_grids(folded):
    _, _, ours, theirs, _ = folded
    for layer, ln, cut in itertools.product((1, 2, -1), (False, True), (None, (1, 4), [0, 3])):
        for remainder in (False, True):
            options = dict(apply_ln=ln, pos_slice=cut, incl_remainder=remainder)
            both(ours, theirs, "stack_head_results", layer, **options)
            if not ours.model.cfg.attn_only:
                both(ours, theirs, "stack_neuron_results", layer, **options)
        for expand in (True, False):
            options = dict(expand_neurons=expand, apply_ln=ln, pos_slice=cut)
            if ours.model.cfg.attn_only:  # the reference's accumulated_bias asks for an MLP's
                options["expand_neurons"] = False
            both(ours, theirs, "get_full_resid_decomposition", layer, **options)
            onto = torch.randn(10, 2)
            both(
                ours, theirs, "get_full_resid_decomposition", layer, **options,
                project_output_onto=onto,
            )  # fmt: skip
    if not ours.model.cfg.attn_only:
        close(ours.get_neuron_results(1, (2, 5), -1), theirs.get_neuron_results(1, (2, 5), -1))


def test_logit_attributions_over_their_grid(folded):
    _, _, ours, theirs, ids = folded
    stack = ours.decompose_resid()
    for right, wrong in [(3, None), (3, 4), (ids, None), (ids, (ids + 1) % 11)]:
        close(ours.logit_attrs(stack, right, wrong), theirs.logit_attrs(stack, right, wrong))
    last = ours.decompose_resid(pos_slice=-1)
    for right in (3, ids[:, 0]):
        close(
            ours.logit_attrs(last, right, pos_slice=-1),
            theirs.logit_attrs(last, right, pos_slice=-1),
        )
        built = theirs.stack_head_results(pos_slice=-1)
        close(
            ours.head_logit_attrs(right, pos_slice=-1),
            theirs.logit_attrs(built, right, pos_slice=-1),
        )


def test_stacks_of_activations_and_of_weights_agree(pair):
    our_model, their_model, ours, theirs, _ = pair
    for args in (("q",), ("pattern", -1), ("q", 2), ("scale", 3, "ln1")):
        close(ours.stack_activation(*args), theirs.stack_activation(*args))
    names = ["W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O", "W_E", "W_pos", "W_U", "b_U"]
    if not our_model.cfg.attn_only:
        names += ["W_in", "b_in", "W_out", "b_out"]
        for layer in range(3):
            close(
                our_model.accumulated_bias(layer, True), their_model.accumulated_bias(layer, True)
            )
    for name in names:
        close(getattr(our_model, name), getattr(their_model, name))


NAMES = [
    ("embed",), ("pos_embed",), ("scale",), ("normalized",), ("q", 3), ("q", 0), ("q", 3, "attn"),
    ("k6",), ("k", 6, "a"), ("k3a",), ("pre5",), ("pre", 2), ("mlp_pre", 5), ("mlp_mid", 5),
    ("mlp_post", 5), ("scale", 4, "ln1"), ("scale4ln1",), ("normalized", 27, "ln2"),
    ("attn", 2), ("attn_logits", 2), ("key", 1), ("query", 1), ("value", 1), ("result", 1),
    ("resid_pre", 2), ("resid_mid", 2), ("resid_post", 2), ("attn_out", 1, "block"),
    ("mlp_out", 1, "b"), ("rot_q", 1), ("z", 1, "attention"), ("post", 3, "m"),
    ("blocks.0.attn.hook_q",), ("hook_embed",), ("ln_final.hook_scale",),
]  # fmt: skip


@pytest.mark.parametrize("parts", NAMES)
def test_names_agree(parts):
    assert get_act_name(*parts) == their_act_name(*parts)


@pytest.mark.parametrize("cut", [None, 2, (3,), (1, 4), (0, 5, 2), [1, 3], torch.tensor([2, 0])])
def test_slices_agree(cut):
    tensor = torch.randn(3, 5, 4)
    theirs = tl.utilities.Slice(cut)
    assert torch.equal(Slice(cut).apply(tensor, 1), theirs.apply(tensor, 1))
    assert Slice(cut).indices(5).tolist() == theirs.indices(5).tolist()
    unwrapped = tl.utilities.Slice.unwrap(cut)
    assert torch.equal(Slice.unwrap(cut).apply(tensor, 1), unwrapped.apply(tensor, 1))


# The deviations, one by one.


def test_deviation_layer_minus_2(pair):
    _, _, ours, theirs, _ = pair
    assert len(theirs.decompose_resid(-2)) == 2  # the embeddings, without a word
    assert torch.equal(ours.decompose_resid(-2), ours.decompose_resid(2))
    assert len(ours.decompose_resid(-2)) > 2


def test_deviation_mode_typo(pair):
    _, _, ours, theirs, _ = pair
    assert torch.equal(theirs.decompose_resid(mode="atn"), theirs.decompose_resid(mode="all"))
    with pytest.raises(ConfigError):
        ours.decompose_resid(mode="atn")


def test_deviation_layernorm_weight(pair):
    _, _, ours, theirs, _ = pair
    expected = ours["ln_final.hook_normalized"] * ours.model.ln_final.w
    close(ours.decompose_resid(apply_ln=True).sum(0), expected.detach())
    off = (theirs.decompose_resid(apply_ln=True).sum(0) - expected).abs().max()
    assert off > 0.1


def test_deviation_mlp_input_at_the_end(pair):
    _, _, ours, theirs, _ = pair
    with pytest.raises(KeyError):
        theirs.decompose_resid(3, mlp_input=True)
    with pytest.raises(LayerRangeError):
        ours.decompose_resid(3, mlp_input=True)


@pytest.mark.parametrize(
    ("parts", "built"),
    [
        (("qq", 3), "blocks.3.hook_qq"),
        (("q",), "attn.hook_q"),
        (("scale", 3), "blocks.3.hook_scale"),
        (("embed", 0), "blocks.0.hook_embed"),
        (("q", -1), "blocks.-1.attn.hook_q"),
    ],
)
def test_deviation_names_of_nothing(parts, built):
    assert their_act_name(*parts) == built
    with pytest.raises(MinicacheError):
        get_act_name(*parts)


def test_deviation_tokens_of_batch(folded):
    _, _, ours, theirs, ids = folded
    stack = ours.decompose_resid()
    with pytest.raises(RuntimeError):
        theirs.logit_attrs(stack, ids[:, 0])
    attrs = ours.logit_attrs(stack, ids[:, 0])
    for item in range(2):
        close(attrs[:, item], theirs.logit_attrs(stack, int(ids[item, 0]))[:, item])
    with pytest.raises(TokenError):
        ours.logit_attrs(stack, ids[0])


def test_deviation_remove_batch_dim_of_several(pair):
    our_model, their_model, _, _, ids = pair
    assert their_model.run_with_cache(ids, remove_batch_dim=True)[1]["embed"].shape == (6, 10)
    with pytest.raises(ValueError, match="needs a batch of 1"):
        our_model.run_with_cache(ids, remove_batch_dim=True)


def test_deviation_analyses_and_the_cache(pair):
    our_model, their_model, _, _, ids = pair
    ours, theirs = our_model.run_with_cache(ids)[1], their_model.run_with_cache(ids)[1]
    before = list(ours), len(theirs)
    ours.stack_head_results()
    theirs.stack_head_results()
    assert list(ours) == before[0]
    assert len(theirs) > before[1]


def test_deviation_gradients_at_ln1(pair):
    our_model, their_model, _, _, ids = pair
    name, parts = "blocks.1.ln1.hook_normalized", []
    ours = our_model.run_with_cache(ids, return_type="loss", incl_bwd=True)[1][f"{name}_grad"]

    def keep(tensor, hook):
        tensor.retain_grad()
        parts.append(tensor)

    loss = their_model.run_with_hooks(ids, return_type="loss", fwd_hooks=[(name, keep)])
    loss.backward()
    assert len(parts) == 3
    close(ours, sum(part.grad for part in parts))
    theirs = their_model.run_with_cache(ids, return_type="loss", incl_bwd=True)[1]
    assert any(torch.allclose(theirs[f"{name}_grad"], part.grad, atol=1e-6) for part in parts)
    assert not torch.allclose(theirs[f"{name}_grad"], ours, atol=1e-3)


def test_deviation_hooks_of_a_block(pair):
    our_model, their_model, _, _, ids = pair

    def is_reached(model):
        plain = model(ids)
        with (
            model.hooks([("hook_embed", lambda tensor, hook: 0 * tensor)]),
            ThreadPoolExecutor(1) as pool,
        ):
            return not torch.equal(pool.submit(model, ids).result(), plain)

    assert (is_reached(our_model), is_reached(their_model)) == (False, True)


def test_deviation_hook_dict(pair):
    our_model, their_model, *_ = pair
    extra = {
        name.rpartition("hook_")[2]
        for name in set(their_model.hook_dict) - set(our_model.hook_dict)
    }
    assert set(our_model.hook_dict) <= set(their_model.hook_dict)
    flagged = {"attn_in", "q_input", "k_input", "v_input", "mlp_in", "result", "rot_q", "rot_k"}
    assert extra <= flagged | {"resid_mid", "mlp_out"}


def test_each_deviation_in_the_table_has_its_test():
    shown = {
        name.removeprefix("test_deviation_") for name in globals() if "test_deviation_" in name
    }
    assert {name.lower().replace(" ", "_").replace("=-", "_minus_") for name in DEVIATIONS} == shown
