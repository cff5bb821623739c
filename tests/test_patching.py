"""Patching: sweeps, their estimates, ablation, paths. Laws first, then what a user does wrong."""

import threading
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from exercises.grader.accelerator import accelerator
from minicache import HookedTransformer, patching
from minicache.analysis.patching.runs import Base
from minicache.errors import (
    BatchSizeError,
    ConfigError,
    HookError,
    LayerRangeError,
    MissingActivationError,
    TokenError,
    UnknownActivationError,
)
from tests.worlds import D_VOCAB, assert_close, models, random_model, tokens

SWEEPS = {
    "resid_pre": ("layer pos", patching.get_act_patch_resid_pre),
    "resid_mid": ("layer pos", patching.get_act_patch_resid_mid),
    "attn_out": ("layer pos", patching.get_act_patch_attn_out),
    "mlp_out": ("layer pos", patching.get_act_patch_mlp_out),
    "z": ("layer pos head", patching.get_act_patch_attn_head_out_by_pos),
    "q": ("layer pos head", patching.get_act_patch_attn_head_q_by_pos),
    "k": ("layer head", patching.get_act_patch_attn_head_k_all_pos),
    "v": ("layer head", patching.get_act_patch_attn_head_v_all_pos),
    "pattern": (
        "layer head_index dest_pos src_pos",
        patching.get_act_patch_attn_head_pattern_dest_src_pos,
    ),
}
INPUTS = ("q", "k", "v")


def difference(logits):
    """A logit difference at the last position, weighted so that each item counts differently."""
    weights = torch.arange(1, len(logits) + 1, device=logits.device).to(logits)
    return ((logits[:, -1, 3] - logits[:, -1, 5]) * weights).mean()


def pair(model, batch=2, pos=4, seed=1):
    """Corrupted tokens, and a run of clean ones."""
    corrupted, clean = tokens(batch, pos, seed), tokens(batch, pos, seed + 100)
    clean = clean.where(clean != corrupted, (clean + 1) % D_VOCAB)
    with torch.no_grad():
        _, cache = model.run_with_cache(clean)
        _, corrupted_cache = model.run_with_cache(corrupted)
    return corrupted, cache, corrupted_cache


def by_hand(model, corrupted, name, change):
    """The metric with one activation changed, by a run of its own."""
    with torch.no_grad():
        return difference(model.run_with_hooks(corrupted, fwd_hooks=[(name, change)]))


def at(index, axes):
    """Where an index stands in its activation, after the batch."""
    named = dict(zip(axes.split(), index, strict=True))
    if "dest_pos" in named:
        return (slice(None), named["head_index"], named["dest_pos"], named["src_pos"])
    head = (named["head"],) if "head" in named else ()
    return (slice(None), named.get("pos", slice(None)), *head)


class OnlyTokens:
    """A model that cannot start or stop at a layer, as another library's may be."""

    def __init__(self, model):
        self.model, self.cfg = model, model.cfg

    def forward(self, input):
        return self.model(input)

    def run_with_hooks(self, input, fwd_hooks):
        return self.model.run_with_hooks(input, fwd_hooks=fwd_hooks)

    def run_with_cache(self, input, names_filter=None):
        return self.model.run_with_cache(input, names_filter=names_filter)


@pytest.mark.parametrize("name", SWEEPS)
@settings(max_examples=15)
@given(model=models(), batch=st.integers(1, 3), pos=st.integers(2, 4), data=st.data())
def test_a_sweep_is_its_patches_one_at_a_time(name, model, batch, pos, data):
    axes, sweep = SWEEPS[name]
    if model.cfg.attn_only and name in ("mlp_out", "resid_mid"):
        return
    corrupted, clean, _ = pair(model, batch, pos)
    batch_size = data.draw(st.none() | st.integers(1, 40))
    result = sweep(model, corrupted, clean, difference, batch_size=batch_size)
    index = tuple(data.draw(st.integers(0, size - 1)) for size in result.shape)

    def change(activation, hook):
        changed = activation.clone()
        changed[at(index, axes)] = clean[hook.name][at(index, axes)]
        return changed

    (hook_name,) = [
        full for full in clean if full.startswith(f"blocks.{index[0]}.") and full.endswith(name)
    ]
    assert_close(result[index], by_hand(model, corrupted, hook_name, change))
    without_start = sweep(OnlyTokens(model), corrupted, clean, difference)
    assert_close(without_start, result)


@given(model=models())
def test_patching_everything_gives_that_run_and_patching_nothing_the_other(model):
    corrupted, clean, corrupted_cache = pair(model)
    whole = patching.generic_activation_patch(
        model,
        corrupted,
        clean,
        difference,
        lambda now, index, source: source,
        "resid_pre",
        ["layer"],
    )
    with torch.no_grad():
        good = difference(model(stream_of(clean), start_at_layer=0))
        bad = difference(model(corrupted))
    assert_close(whole, good.expand(model.cfg.n_layers))
    same = patching.get_act_patch_attn_head_out_by_pos(
        model, corrupted, corrupted_cache, difference
    )
    assert_close(same, bad.expand(same.shape))
    nothing = patching.generic_activation_patch(
        model, corrupted, clean, difference, lambda now, index, source: None, "z", ["layer"]
    )
    assert_close(nothing, bad.expand(model.cfg.n_layers))


def stream_of(cache):
    return cache["resid_pre", 0]


@given(data=st.data(), batch_size=st.none() | st.integers(1, 20))
def test_a_list_of_indices_gives_the_same_in_the_order_asked_for(data, batch_size):
    model = random_model(3)
    corrupted, clean, _ = pair(model)
    full = patching.get_act_patch_attn_head_out_by_pos(model, corrupted, clean, difference)
    every = list(product(*map(range, full.shape)))
    asked = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=5))
    for given_as in (asked, torch.tensor(asked), [list(map(np.int64, index)) for index in asked]):
        flat, indices = patching.get_act_patch_attn_head_out_by_pos(
            model,
            corrupted,
            clean,
            difference,
            index_axis_names=None,
            index_df=given_as,
            return_index_df=True,
            batch_size=batch_size,
        )
        assert indices == asked
        assert all(type(entry) is int for index in indices for entry in index)
        assert_close(flat, torch.stack([full[index] for index in asked]))


def test_a_sweep_can_give_its_indices_as_tuples():
    model = random_model()
    corrupted, clean, _ = pair(model)
    result, indices = patching.get_act_patch_resid_pre(
        model, corrupted, clean, difference, return_index_df=True
    )
    assert indices == list(product(range(2), range(4)))
    assert result.shape == (2, 4)


def test_the_helpers_stack_the_sweeps_that_they_name():
    model = random_model()
    asked = (model, *pair(model)[:2], difference)
    blocks = patching.get_act_patch_block_every(*asked, batch_size=3)
    assert_close(blocks[1], patching.get_act_patch_attn_out(*asked))
    heads = patching.get_act_patch_attn_head_all_pos_every(*asked)
    assert_close(heads[4], patching.get_act_patch_attn_head_pattern_all_pos(*asked))
    by_pos = patching.get_act_patch_attn_head_by_pos_every(*asked)
    assert_close(by_pos[2], patching.get_act_patch_attn_head_k_by_pos(*asked))
    pattern = patching.get_act_patch_attn_head_pattern_by_pos(*asked)
    assert_close(by_pos[4], pattern.movedim(1, 2))


def test_batch_size_bounds_the_rows_of_a_run_and_the_metric_sees_the_original_batch():
    model, rows, seen = random_model(3), [], []
    corrupted, clean, _ = pair(model, batch=2, pos=4)
    model.add_hook("unembed.hook_in", lambda x, hook: rows.append(len(x)))

    def metric(logits):
        seen.append(tuple(logits.shape))
        return difference(logits)

    for batch_size, most in ((1, 2), (2, 2), (7, 6), (None, 8)):
        rows.clear()
        patching.get_act_patch_resid_pre(model, corrupted, clean, metric, batch_size=batch_size)
        assert max(rows) == most
    assert set(seen) == {(2, 4, D_VOCAB)}


def test_a_sweep_runs_no_block_before_the_patched_one_and_no_hook_twice():
    model, calls = random_model(3), []
    corrupted, clean, _ = pair(model)
    plain = patching.get_act_patch_resid_mid(model, corrupted, clean, difference)
    with model.hooks([("blocks.1.hook_resid_pre", lambda x, hook: 2 * x)]):
        doubled = patching.get_act_patch_resid_mid(model, corrupted, clean, difference)
        slow = patching.get_act_patch_resid_mid(OnlyTokens(model), corrupted, clean, difference)
    assert_close(doubled, slow)
    assert not torch.allclose(doubled, plain)
    model.add_hook(lambda name: name.endswith("resid_pre"), lambda x, hook: calls.append(hook.name))
    patching.get_act_patch_attn_out(
        model, corrupted, clean, difference, index_axis_names=None, index_df=[(2, 0), (2, 1)]
    )
    assert calls == [f"blocks.{layer}.hook_resid_pre" for layer in (0, 1, 2)]


def test_a_sweep_changes_neither_run_nor_weights_nor_grad_mode():
    model = random_model()
    corrupted, clean, _ = pair(model)
    kept = {name: clean[name].clone() for name in clean}
    weights = {name: p.clone() for name, p in model.named_parameters()}
    for _, sweep in SWEEPS.values():
        sweep(model, corrupted, clean, difference)
    patching.attribution_patching(model, corrupted, clean, difference, "z", ["layer"])
    assert torch.is_grad_enabled()
    assert all(torch.equal(clean[name], kept[name]) for name in kept)
    assert all(torch.equal(p, weights[name]) for name, p in model.named_parameters())
    assert all(p.grad is None for p in model.parameters())


def test_patches_never_reach_an_activation_that_another_hook_kept():
    model = random_model()
    corrupted, clean, corrupted_cache = pair(model, batch=1)
    seen = []
    with model.hooks([("blocks.0.hook_resid_post", lambda x, hook: seen.append(x))]):
        patching.get_act_patch_resid_pre(
            OnlyTokens(model),
            corrupted,
            clean,
            difference,
            index_axis_names=None,
            index_df=[(1, 2)],
        )
    assert_close(seen[-1], corrupted_cache["resid_post", 0])


# Attribution patching: a first-order estimate.

ESTIMATED = {name: axes for name, (axes, _) in SWEEPS.items()}


@pytest.mark.parametrize("name", ESTIMATED)
@settings(max_examples=10)
@given(model=models(), batch=st.integers(1, 2))
def test_an_estimate_agrees_with_the_sweep_where_the_clean_run_is_near(name, model, batch):
    if model.cfg.attn_only and name in ("mlp_out", "resid_mid"):
        return
    axes, sweep = SWEEPS[name]
    corrupted, clean, now = pair(model, batch)
    near = 1e-6
    close_by = {key: now[key] + near * (clean[key] - now[key]).nan_to_num() for key in clean}
    cache = type(clean)(close_by, model)
    truth = sweep(model, corrupted, cache, difference)
    asked = (model, corrupted, cache, difference, name, axes.split())
    estimate = patching.attribution_patching(*asked)
    with torch.no_grad():
        before = difference(model(corrupted))
    assert estimate.shape == truth.shape
    moved = (truth - before).abs().max()
    assert (estimate - truth).abs().max() <= 1e-3 * moved + 1e-12


@given(model=models())
def test_an_estimate_is_exact_where_the_metric_is_linear_in_what_is_patched(model):
    """With the last LayerNorm's scale held fixed, logits are linear in the last layer's z."""
    corrupted, clean, now = pair(model)
    if not model.cfg.attn_only:
        model.add_hook(lambda name: name.endswith("mlp_out"), lambda x, hook: 0 * x)
        with torch.no_grad():
            now = model.run_with_cache(corrupted)[1]
    frozen = [
        (
            "ln_final.hook_scale",
            lambda x, hook: now["ln_final.hook_scale"].repeat(len(x) // 2, 1, 1),
        )
    ]
    with model.hooks(frozen):
        asked = (model, corrupted, clean, difference)
        truth = patching.get_act_patch_attn_head_out_by_pos(*asked)[-1]
        estimate = patching.attribution_patching(*asked, "z", ["layer", "pos", "head"])[-1]
    assert_close(estimate, truth)


def test_an_estimate_needs_no_gradients_of_weights_and_works_where_autodiff_is_off():
    model = random_model(2).requires_grad_(False)
    corrupted, clean, _ = pair(model)
    asked = (corrupted, clean, difference, "resid_pre", ("layer", "pos"))
    estimate = patching.attribution_patching(model, *asked)
    with torch.no_grad():
        assert_close(patching.attribution_patching(model, *asked), estimate)
    with torch.inference_mode():
        asked = (corrupted.clone(), *asked[1:])
        assert_close(patching.attribution_patching(model, *asked), estimate)


def test_scores_of_future_keys_do_not_make_an_estimate_nan():
    model = random_model()
    corrupted, clean, _ = pair(model)
    axes = ["layer", "head", "dest_pos", "src_pos"]
    estimate = patching.attribution_patching(
        model, corrupted, clean, difference, "attn_scores", axes
    )
    assert estimate.isfinite().all()


def test_an_activation_that_the_metric_does_not_read_changes_nothing():
    model = random_model()
    corrupted, clean, _ = pair(model)
    with model.hooks([("blocks.0.attn.hook_pattern", lambda x, hook: x.detach())]):
        estimate = patching.attribution_patching(
            model, corrupted, clean, difference, "q", ["layer", "head"]
        )
    assert_close(estimate[0], difference(model(corrupted)).detach().expand(3))


# Ablation.


def by_label(model, label, value):
    """The hook that puts a value in a part's place, written out."""
    if label[0] == "L":
        layer, kind, index = int(label[1]), label[2], int(label[3:])
        name = f"blocks.{layer}." + ("attn.hook_z" if kind == "H" else "mlp.hook_post")
    else:
        name = {"embed": "hook_embed", "pos_embed": "hook_pos_embed"}.get(label)
        name, index = name or f"blocks.{label[0]}.hook_{label[2:]}", None

    def hook(x, hook):
        x = x.clone()
        where = slice(None) if index is None else index
        x[:, :, where] = value(hook.name)[:, :, where]
        return x

    return name, hook


LABELS = ["L0H1", "L1H0", "L1H2", "L0N3", "L1N6", "0_attn_out", "1_mlp_out", "embed", "pos_embed"]


@given(
    parts=st.lists(st.sampled_from(LABELS), min_size=1, max_size=5),
    how=st.sampled_from(["mean", "zero"]),
)
def test_ablated_parts_of_any_layers_write_the_mean_or_nothing(parts, how):
    model, ids = random_model(), tokens(3, 4)
    _, cache = model.run_with_cache(tokens(5, 4, seed=7))

    def value(name):
        mean = cache[name].mean(0, keepdim=True)
        return mean.expand(3, *mean.shape[1:]) * (how == "mean")

    expected = model.run_with_hooks(ids, fwd_hooks=[by_label(model, p, value) for p in parts])
    with patching.ablate(model, parts, how, cache if how == "mean" else None):
        assert_close(model(ids), expected)
    assert_close(model(ids), random_model()(ids))


@given(items=st.integers(2, 9), seed=st.integers(0, 99))
def test_resampling_gives_each_item_what_the_part_wrote_on_another_one(items, seed):
    model, ids = random_model(), torch.arange(items)[:, None] + torch.tensor([0, 1])
    _, cache = model.run_with_cache(ids)
    with patching.ablate(model, "embed", "resample", cache, seed=seed):
        _, ablated = model.run_with_cache(ids)
    same = (ablated["hook_embed"][:, None] == cache["hook_embed"]).all(-1).all(-1)
    assert same.sum(0).eq(1).all()
    assert same.sum(1).eq(1).all()
    assert not same.diagonal().any()


def test_a_model_without_a_part_is_swept_as_it_runs():
    model = random_model()
    corrupted, clean, now = pair(model)
    for how, cache in (("mean", now), ("resample", now), ("zero", None)):
        with patching.ablate(model, ["L0H1", "L1N2"], how, cache):
            many = patching.get_act_patch_resid_pre(model, corrupted, clean, difference)
            one = patching.get_act_patch_resid_pre(
                model, corrupted, clean, difference, batch_size=1
            )
        assert_close(many, one)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_ablation_gives_back_everything_and_leaves_other_hooks_on(error):
    model, ids, calls = random_model(), tokens(2, 3), []
    before = model(ids)
    model.add_hook("hook_embed", lambda x, hook: calls.append(hook.name))

    def fail_inside():
        with patching.ablate(model, ["L0H0", "1_mlp_out"], "zero"):
            model(ids)
            raise error

    with pytest.raises(error):
        fail_inside()
    assert torch.equal(model(ids), before)
    assert len(calls) == 2
    assert sum(len(point.fwd_hooks) for point in model.hook_points()) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_metric_or_setter_that_fails_leaves_no_hook_behind(error):
    model = random_model()
    corrupted, clean, _ = pair(model)

    def fail(*_):
        raise error

    with pytest.raises(error):
        patching.get_act_patch_resid_pre(model, corrupted, clean, fail)
    with pytest.raises(error):
        patching.generic_activation_patch(model, corrupted, clean, difference, fail, "z", ["layer"])
    with pytest.raises(error):
        patching.attribution_patching(model, corrupted, clean, fail, "z", ["layer"])
    with pytest.raises(error):
        patching.path_patching(model, corrupted, clean, fail, ["L0H0"], ["L1H0"], "q")
    assert not any(point.fwd_hooks for point in model.hook_points())


# Path patching.


@given(model=models().filter(lambda m: m.cfg.n_layers > 1), data=st.data())
def test_all_senders_together_patch_the_receivers_input(model, data):
    corrupted, clean, _ = pair(model)
    layer = data.draw(st.integers(1, model.cfg.n_layers - 1))
    head = data.draw(st.integers(0, model.cfg.n_heads - 1))
    which = data.draw(st.sampled_from(INPUTS))
    _, everyone = clean.get_full_resid_decomposition(
        layer, expand_neurons=False, return_labels=True
    )
    together = patching.path_patching(
        model, corrupted, clean, difference, [everyone], [f"L{layer}H{head}"], which
    )
    sweep = {
        "q": patching.get_act_patch_attn_head_q_all_pos,
        "k": patching.get_act_patch_attn_head_k_all_pos,
        "v": patching.get_act_patch_attn_head_v_all_pos,
    }[which]
    assert_close(together[0], sweep(model, corrupted, clean, difference)[layer, head])


@given(
    sender=st.sampled_from(["L0H0", "L0H2", "L1H1", "0_mlp_out", "1_mlp_out", "embed"]),
    which=st.sampled_from(INPUTS),
    can_start=st.booleans(),
)
def test_a_path_is_patched_as_with_every_part_between_frozen_by_hand(sender, which, can_start):
    model = random_model(4)
    corrupted, clean, now = pair(model)
    receivers = {2: [1], 3: [0, 2]}

    def freeze(x, hook):
        return now[hook.name]

    def from_clean(x, hook):
        return by_label(model, sender, lambda name: clean[name])[1](x, hook)

    name = by_label(model, sender, None)[0]
    kinds = ("attn.hook_z", "mlp_out", "hook_embed")
    frozen = [(lambda n: n.endswith(kinds), freeze), (name, from_clean)]
    with torch.no_grad(), model.hooks(frozen):
        _, direct = model.run_with_cache(corrupted)

    def put(x, hook):
        x, heads = x.clone(), receivers[int(hook.name[7])]
        x[:, :, heads] = direct[hook.name][:, :, heads]
        return x

    hooks = [(f"blocks.{layer}.attn.hook_{which}", put) for layer in receivers]
    with torch.no_grad():
        expected = difference(model.run_with_hooks(corrupted, fwd_hooks=hooks))
    given_model = model if can_start else OnlyTokens(model)
    result = patching.path_patching(
        given_model, corrupted, clean, difference, ["pos_embed", sender],
        ["L3H2", "L2H1", "L3H0"], which, batch_size=2,
    )  # fmt: skip
    assert_close(result[1], expected)
    with torch.no_grad():
        assert_close(result[0], difference(model(corrupted)))  # positions are the same in both


# Everywhere: dtypes, devices, threads.


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_everything_works_on_an_accelerator_and_in_small_dtypes(dtype):
    model = random_model(dtype=dtype).to(accelerator())
    here = random_model(dtype=dtype)
    corrupted = tokens(2, 4, 1)
    there = corrupted.to(accelerator())
    caches = [here.run_with_cache(tokens(2, 4, 101))[1], None]
    with torch.no_grad():
        caches[1] = model.run_with_cache(tokens(2, 4, 101).to(accelerator()))[1]
    near = dict(atol=1e-5, rtol=1e-5) if dtype == torch.float32 else dict(atol=0.2, rtol=0.1)

    def same(function, *args):
        ours, theirs = (
            function(m, ids, cache, difference, *args)
            for m, ids, cache in ((here, corrupted, caches[0]), (model, there, caches[1]))
        )
        assert theirs.device.type == "accel"
        assert ours.dtype == torch.float32
        torch.testing.assert_close(theirs.cpu(), ours.detach(), **near)

    same(patching.get_act_patch_attn_head_out_by_pos)
    same(patching.get_act_patch_attn_head_pattern_dest_src_pos)
    same(patching.attribution_patching, "z", ["layer", "pos", "head"])
    same(patching.path_patching, ["L0H1", "0_mlp_out"], ["L1H0"], "k")
    for how in ("mean", "resample"):
        with patching.ablate(model, ["L0H1", "1_mlp_out"], how, caches[1]):
            ablated = model(there)
        with patching.ablate(here, ["L0H1", "1_mlp_out"], how, caches[0]):
            torch.testing.assert_close(ablated.cpu().detach(), here(corrupted).detach(), **near)


def test_a_clean_run_that_was_moved_away_patches_as_before():
    model = random_model(dtype=torch.float32).to(accelerator())
    ids = tokens(2, 4).to(accelerator())
    with torch.no_grad():
        _, clean = model.run_with_cache(tokens(2, 4, 9).to(accelerator()))
        asked = (model, ids, clean, difference)
        expected = patching.get_act_patch_resid_pre(*asked).cpu()
        clean.to("cpu")
        assert_close(patching.get_act_patch_resid_pre(*asked).cpu(), expected)


def test_a_sweep_runs_in_another_thread():
    model = random_model()
    corrupted, clean, _ = pair(model)
    results = []

    def work():
        results.append(patching.get_act_patch_resid_pre(model, corrupted, clean, difference))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert_close(results[0], patching.get_act_patch_resid_pre(model, corrupted, clean, difference))


def test_a_whole_number_or_a_count_is_a_metric_too():
    model = random_model()
    corrupted, clean, _ = pair(model)
    counted = patching.get_act_patch_resid_pre(
        model, corrupted, clean, lambda logits: (logits[:, -1].argmax(-1) == 3).sum()
    )
    assert counted.dtype == torch.float32
    plain = patching.get_act_patch_resid_pre(model, corrupted, clean, lambda logits: 2.0)
    assert plain.eq(2).all()


def test_one_prompt_needs_no_batch_axis_and_a_progress_bar_changes_nothing(capsys):
    model = random_model()
    corrupted, clean, _ = pair(model, batch=1)
    plain = patching.get_act_patch_resid_pre(model, corrupted, clean, difference)
    assert "patching" not in capsys.readouterr().out
    shown = patching.get_act_patch_resid_pre(model, corrupted[0], clean, difference, progress=True)
    assert torch.equal(plain, shown)
    assert "patching resid_pre" in capsys.readouterr().out


# What a user does wrong.


def sweep_with(**change):
    def call(model, corrupted, clean):
        asked = dict(model=model, corrupted_tokens=corrupted, clean_cache=clean)
        asked |= dict(patching_metric=difference, patch_setter=patching.layer_pos_patch_setter)
        asked |= dict(activation_name="z", index_axis_names=["layer", "pos"])
        return patching.generic_activation_patch(**(asked | change))

    return call


def estimate_with(metric=difference, name="z", axes=("layer", "pos")):
    return lambda m, c, clean: patching.attribution_patching(m, c, clean, metric, name, axes)


def paths_with(senders=("L0H0",), receivers=("L1H0",), receiver_input="q"):
    return lambda m, c, clean: patching.path_patching(
        m, c, clean, difference, senders, receivers, receiver_input
    )


def ablated(*args):
    def call(model, corrupted, clean):
        with patching.ablate(model, *[clean if arg is clean_run else arg for arg in args]):
            model(corrupted)

    return call


clean_run = object()


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (sweep_with(index_axis_names=None), ConfigError, "one of them"),
        (sweep_with(index_df=[(0, 1)]), ConfigError, "not both"),
        (sweep_with(index_axis_names=["pos", "layer"]), ConfigError, "starts with 'layer'"),
        (sweep_with(index_axis_names=["layer", "neuron"]), ConfigError, "src_pos"),
        (sweep_with(index_axis_names="layer"), ConfigError, "list of names"),
        (sweep_with(index_axis_names=[]), ConfigError, "starts with 'layer'"),
        (sweep_with(index_axis_names=None, index_df=[]), ConfigError, "at least one index"),
        (sweep_with(index_axis_names=None, index_df=[("0", 1)]), ConfigError, "its layer"),
        (sweep_with(index_axis_names=None, index_df=[()]), ConfigError, "its layer"),
        (sweep_with(index_axis_names=None, index_df=[(0, 1.5)]), ConfigError, "holds 1.5"),
        (sweep_with(index_axis_names=None, index_df=[(5, 1)]), LayerRangeError, "Layer 5"),
        (sweep_with(index_axis_names=["layer"]), ConfigError, "index is"),
        (sweep_with(activation_name="zz"), UnknownActivationError, "zz"),
        (sweep_with(activation_name="result"), UnknownActivationError, "hook_result"),
        (sweep_with(batch_size=0), ConfigError, "1 or more"),
        (sweep_with(batch_size=True), ConfigError, "True"),
        (sweep_with(corrupted_tokens="a text"), TokenError, "a text"),
        (sweep_with(corrupted_tokens=torch.zeros(0, 3)), TokenError, "0, 3"),
        (sweep_with(corrupted_tokens=tokens(2, 3)), BatchSizeError, r"\(2, 4, 3, 4\)"),
        (sweep_with(corrupted_tokens=tokens(1, 4)), BatchSizeError, r"\(1, 4, 3, 4\)"),
        (sweep_with(patching_metric=lambda logits: logits[:, -1, 0]), ConfigError, "one number"),
        (sweep_with(patch_setter=lambda now, index, source: 3), HookError, "int"),
        (sweep_with(patch_setter=lambda now, index, source: now[:1]), HookError, r"\(1, 4"),
        (estimate_with(axes=("layer", "src_pos")), ConfigError, "pos, head, d_head"),
        (estimate_with(axes=("layer", "pos", "pos")), ConfigError, "once"),
        (estimate_with(axes=("pos",)), ConfigError, "starts with 'layer'"),
        (estimate_with(metric=lambda x: x.argmax().float()), ConfigError, "no gradient"),
        (paths_with(senders=()), ConfigError, "no path"),
        (paths_with(senders=([],)), ConfigError, "no path"),
        (paths_with(senders=("L1H0",)), ConfigError, "no path"),
        (paths_with(senders=("L0N0",)), ConfigError, "0_mlp_out"),
        (paths_with(receivers=()), UnknownActivationError, "at least one head"),
        (paths_with(receivers="L1H0"), UnknownActivationError, "A list of heads"),
        (paths_with(receivers=["L1N0"]), UnknownActivationError, "A list of heads"),
        (paths_with(receivers=["L1H3"]), LayerRangeError, "3 heads"),
        (paths_with(receiver_input="z"), ConfigError, "'q', 'k' or 'v'"),
        (ablated("L2H0", "zero"), LayerRangeError, "Layer 2"),
        (ablated("L0H3", "zero"), LayerRangeError, "3 heads"),
        (ablated("L0N7", "zero"), LayerRangeError, "7 neurons"),
        (ablated("2_mlp_out", "zero"), LayerRangeError, "Layer 2"),
        (ablated("head 0", "zero"), UnknownActivationError, "'L0H1'"),
        (ablated([3], "zero"), UnknownActivationError, "3"),
        (ablated([], "zero"), ConfigError, "at least one part"),
        (ablated("L0H0", "median"), ConfigError, "median"),
        (ablated("L0H0", "mean"), ConfigError, "needs a cache"),
        (ablated("L0H0", "zero", clean_run), ConfigError, "takes no cache"),
    ],
)
def test_what_does_not_fit_raises_and_leaves_everything_as_it_was(wrong, error, words):
    model = random_model()
    corrupted, clean, _ = pair(model)
    before = model(corrupted)
    with pytest.raises(error, match=words):
        wrong(model, corrupted, clean)
    assert not any(point.fwd_hooks for point in model.hook_points())
    assert torch.equal(model(corrupted), before)


def test_a_filtered_cache_and_a_model_without_the_part_say_what_is_missing():
    model = random_model(attn_only=True)
    corrupted, clean, _ = pair(model)
    _, few = model.run_with_cache(corrupted, names_filter="blocks.0.attn.hook_z")
    with pytest.raises(MissingActivationError, match="names_filter"):
        patching.get_act_patch_attn_head_out_by_pos(model, corrupted, few, difference)
    with pytest.raises(UnknownActivationError, match="mlp_out"):
        patching.get_act_patch_mlp_out(model, corrupted, clean, difference)
    with (
        pytest.raises(UnknownActivationError, match="mlp_out"),
        patching.ablate(model, "0_mlp_out", "zero"),
    ):
        model(corrupted)


def test_a_cache_that_does_not_fit_the_run_is_not_broadcast():
    model, ids = random_model(), tokens(4, 5)
    _, cache = model.run_with_cache(tokens(3, 4))
    for how in ("mean", "resample"):
        with (
            pytest.raises(BatchSizeError, match="same length"),
            patching.ablate(model, "L0H0", how, cache),
        ):
            model(ids)
    with (
        pytest.raises(BatchSizeError, match="as many"),
        patching.ablate(model, "L0H0", "resample", cache),
    ):
        model(ids[:, :4])
    _, one = model.run_with_cache(tokens(1, 4))
    for alone in (one, one.remove_batch_dim()):
        with (
            pytest.raises(BatchSizeError, match="several items"),
            patching.ablate(model, "L0H0", "mean", alone),
        ):
            model(ids)


def test_a_model_that_cannot_start_at_a_layer_is_run_from_its_tokens():
    model = OnlyTokens(random_model(3))
    assert Base.record(model, tokens(2, 4), [0, 1, 2]).streams == {}


def test_sweeps_work_on_the_model_that_ships():
    model = HookedTransformer.from_pretrained()
    start = "When Mary and John went to the shop ,"
    clean, corrupted = (
        model.to_tokens(f"{start} {who} gave a drink to") for who in ("John", "Mary")
    )
    mary, john = model.to_single_token("Mary"), model.to_single_token("John")

    def metric(logits):
        return logits[0, -1, mary] - logits[0, -1, john]

    _, cache = model.run_with_cache(clean)
    result = patching.get_act_patch_resid_pre(model, corrupted, cache, metric)
    assert_close(result[0, 10], metric(model(clean)).detach())  # the only word that differs
    before = metric(model(corrupted)).detach()  # and the words before it are the same
    assert_close(result[:, :10], before.expand(3, 10))
