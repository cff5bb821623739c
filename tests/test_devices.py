"""Everything runs where its inputs are: on a simulated accelerator, bit for bit as on the CPU."""

from __future__ import annotations

import pytest
import torch

from exercises.grader.accelerator import AccelTensor, accelerator
from minicache import HookedTransformer, compare_modes, predict_saved_bytes, saved_for_backward
from minicache.slices import Slice
from tests.worlds import random_model, tokens


@pytest.fixture(scope="module")
def accel():
    return accelerator()


@pytest.fixture(scope="module")
def pair(accel):
    """(model, logits, cache) of the same run on the CPU and on the accelerator."""
    runs = []
    for device in ("cpu", accel):
        model = random_model().to(device)
        with torch.no_grad():
            runs.append((model, *model.run_with_cache(tokens(3, 7).to(device))))
    return runs


def same(cpu, accelerated):
    assert accelerated.device.type == "accel"
    assert torch.equal(cpu, accelerated.cpu())


ANALYSES = {
    "accumulated_resid": lambda c: c.accumulated_resid(apply_ln=True, incl_mid=True),
    "decompose_resid": lambda c: c.decompose_resid(apply_ln=True, pos_slice=[0, -1]),
    "mlp_input": lambda c: c.decompose_resid(1, mlp_input=True, apply_ln=True, pos_slice=-1),
    "stack_head_results": lambda c: c.stack_head_results(incl_remainder=True, apply_ln=True),
    "stack_neuron_results": lambda c: c.stack_neuron_results(None, apply_ln=True),
    "get_neuron_results": lambda c: c.get_neuron_results(1, neuron_slice=[1, 3]),
    "full": lambda c: c.get_full_resid_decomposition(apply_ln=True),
    "projected": lambda c: c.get_full_resid_decomposition(
        project_output_onto=c["embed"][0, 0].cpu()
    ),
    "logit_attrs": lambda c: c.logit_attrs(c.decompose_resid(), 3, 4),
    "head_logit_attrs": lambda c: c.head_logit_attrs(torch.tensor([1, 2, 3])),
    "neuron_logit_attrs": lambda c: c.neuron_logit_attrs(3, neuron_slice=(0, 4)),
    "logit_constant": lambda c: c.logit_constant(3, 4),
    "batch slice": lambda c: c.apply_slice_to_batch_dim([0, 2]).decompose_resid(),
    "stack_activation": lambda c: c.stack_activation("pattern"),
}


def test_a_run_is_the_same_to_the_last_bit(pair):
    (_, cpu_logits, cpu), (model, logits, cache) = pair
    assert model.device.type == "accel"
    same(cpu_logits, logits)
    assert list(cpu) == list(cache)
    for name in cpu:
        same(cpu[name], cache[name])


@pytest.mark.parametrize("name", ANALYSES)
def test_every_analysis_runs_where_its_cache_is(pair, name):
    (_, _, cpu), (_, _, cache) = pair
    same(ANALYSES[name](cpu), ANALYSES[name](cache))


@pytest.mark.parametrize("name", ANALYSES)
def test_a_cache_on_the_cpu_is_analysed_beside_a_model_elsewhere(pair, name):
    (_, _, cpu), (model, _, _) = pair
    _, cache = model.run_with_cache(tokens(3, 7).to("accel"), device="cpu")
    result = ANALYSES[name](cache)
    assert result.device.type == "cpu"
    assert torch.equal(result, ANALYSES[name](cpu))
    assert model.device.type == "accel"


def test_a_cache_moved_and_moved_back_is_as_it_was(pair, accel):
    (_, _, cpu), _ = pair
    there = cpu.apply_slice_to_batch_dim(None).to(accel)
    assert all(t.device.type == "accel" for t in there.values())
    back = there.to("cpu")
    assert all(torch.equal(back[name], cpu[name]) for name in cpu)


def test_hooks_gradients_and_text_work_there(accel):
    model = HookedTransformer.from_pretrained().to(accel)
    _, cache = model.run_with_cache("In France", return_type="loss", incl_bwd=True)
    assert cache["hook_embed_grad"].device.type == "accel"
    zeroed = model.run_with_hooks("In France", fwd_hooks=[("hook_embed", lambda t, hook: 0 * t)])
    assert zeroed.device.type == "accel"
    assert model.to_string(model("The capital of France is")[0, -1].argmax().reshape(1)) == "Paris"


def test_memory_is_weighed_there_to_the_byte(accel):
    model, ids = random_model(dtype=torch.float32).to(accel), tokens(2, 5).to(accel)
    saved = saved_for_backward(lambda: model(ids))
    assert saved.total == predict_saved_bytes(model.cfg, 2, 5)
    assert saved.parameters > 0
    modes = compare_modes(model, ids)
    assert modes["grad"].retained - modes["no_grad"].retained == saved.total


# What CUDA refuses and allows, of a tensor `a` there and one `c` on the CPU, both of ones [3, 3].
# `tests/test_cuda.py` holds the same lists to CUDA itself.
REFUSED = {
    "a + c": lambda a, c: a + c,
    "c + a": lambda a, c: c + a,
    "where": lambda a, c: torch.where(c > 0, a, a),
    "stack": lambda a, c: torch.stack([a, c]),
    "stack of single numbers": lambda a, c: torch.stack([a[0, 0], c[0, 0]]),
    "a @ c": lambda a, c: a @ c,
    "einsum": lambda a, c: torch.einsum("ij,ij->i", a, c),
    "in place": lambda a, c: a.mul_(c),
    "into a single number on the CPU": lambda a, c: c[0, 0].clone().add_(a[0, 0]),
    "index_select": lambda a, c: a.index_select(0, torch.tensor([0])),
    "gather": lambda a, c: a.gather(0, c.long()),
    "embedding": lambda a, c: torch.nn.functional.embedding(torch.tensor([0]), a),
    "masked_fill": lambda a, c: a.masked_fill(c > 0, 0.0),
    "a[indices] = values": lambda a, c: a.index_put_((torch.tensor([0]),), c[0]),
    "layer_norm": lambda a, c: torch.nn.functional.layer_norm(a, (3,), c[0], c[0]),
}
ALLOWED = {
    "a + single number": lambda a, c: a + c[0, 0],
    "single number * a": lambda a, c: c[0, 0] * a,
    "a in place + single number": lambda a, c: a.add_(c[0, 0]),
    "where with a single number": lambda a, c: torch.where(a > 0, a, c[0, 0]),
    "masked_fill with a single number": lambda a, c: a.masked_fill(a > 0, c[0, 0]),
    "a[indices]": lambda a, c: a[torch.tensor([2, 0])],
    "a[mask]": lambda a, c: a[c[0] > 0],
    "a[indices] = single number": lambda a, c: a.index_put_((torch.tensor([0]),), c[0, 0]),
    "a[slice] = values": lambda a, c: a[0].copy_(c[0]),
    "to and back": lambda a, c: a.cpu().to(a.device),
}


@pytest.mark.parametrize("mix", REFUSED)
def test_the_simulation_refuses_what_cuda_refuses(accel, mix):
    with pytest.raises(RuntimeError, match="same device"):
        REFUSED[mix](torch.ones(3, 3).to(accel), torch.ones(3, 3))


@pytest.mark.parametrize("mix", ALLOWED)
def test_the_simulation_allows_what_cuda_allows(accel, mix):
    result = ALLOWED[mix](torch.ones(3, 3).to(accel), torch.ones(3, 3))
    assert result.device.type == "accel"
    assert torch.equal(result.cpu(), ALLOWED[mix](torch.ones(3, 3), torch.ones(3, 3)))


def test_the_simulation_makes_and_copies_tensors_as_a_device_does(accel):
    one = torch.arange(6.0, device=accel).reshape(2, 3)
    assert isinstance(one, AccelTensor)
    cpu = torch.zeros(2, 3)
    cpu.copy_(one)
    assert cpu.tolist() == one.tolist()
    assert one.sum().item() == 15


def test_a_stack_is_analysed_where_it_is(pair):
    (_, _, cpu), (_, _, there) = pair
    stack = there.decompose_resid().cpu()
    scaled, attrs = there.apply_ln_to_stack(stack), there.logit_attrs(stack, 3)
    assert scaled.device.type == attrs.device.type == "cpu"
    assert torch.equal(scaled, cpu.apply_ln_to_stack(cpu.decompose_resid()))
    assert torch.equal(attrs, cpu.logit_attrs(cpu.decompose_resid(), 3))


TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.05, torch.float16: 0.01}


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_laws_hold_in_every_dtype_up_to_its_rounding(dtype):
    model = random_model(dtype=torch.float64).to(dtype)
    with torch.no_grad():
        logits, cache = model.run_with_cache(tokens(2, 6))
    limit = TOLERANCE[dtype] * cache["resid_post", -1].double().abs().max()
    assert cache.decompose_resid().dtype == dtype
    total = cache.decompose_resid().double().sum(0)
    assert (total - cache["resid_post", -1].double()).abs().max() <= limit
    shares = cache.logit_attrs(cache.decompose_resid(), 3).double().sum(0)
    explained = shares + cache.logit_constant(3).double()
    scale = logits.double().abs().max() + shares.abs().max()
    assert (explained - logits[:, :, 3].double()).abs().max() <= 3 * TOLERANCE[dtype] * scale


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stands_entries_whose_square_it_cannot_hold(shipped, dtype):
    with torch.no_grad():
        shipped.W_pos[:, 3] += 3000
        expected = shipped("The capital of France is")
        logits, cache = shipped.to(dtype).run_with_cache("The capital of France is")
    assert cache["scale", 0, "ln1"].isfinite().all()
    assert {tensor.dtype for tensor in cache.values()} == {dtype}
    # Each entry of the stream is rounded to a number of 8 or 11 bits beside 3,000's scale.
    assert (logits - expected).abs().max() < 0.05 * expected.abs().max()


def test_a_slice_made_of_a_tensor_on_a_device_applies_wherever_the_activation_is(accel):
    picked = Slice(torch.tensor([2, 0]).to(accel))
    assert repr(picked) == "Slice([2, 0])"
    values = torch.arange(3)
    same(picked.apply(values), picked.apply(values.to(accel)))
