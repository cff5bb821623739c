"""The same on a GPU: `pytest -m cuda`. These skip, with the reason, where there is none.

They have a process of their own. In one with the simulated accelerator, torch takes that for the
machine's accelerator: a backward pass on CUDA fails, and device 0 is another.
"""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

import minicache
from minicache import HookedTransformer, compare_modes, patching, saved_for_backward
from minicache.__main__ import main
from minicache.errors import ConfigError
from minicache.memory import methods
from tests.test_devices import ALLOWED, ANALYSES, REFUSED
from tests.worlds import random_model, tokens

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
    pytest.mark.skipif("not config.option.markexpr == 'cuda'", reason="run it by `-m cuda`"),
]


@pytest.fixture(scope="module")
def pair():
    """The same model and run on the CPU and on the GPU."""
    ids = tokens(3, 7)
    runs = []
    for device in ("cpu", "cuda"):
        model = random_model().to(device)
        with torch.no_grad():
            logits, cache = model.run_with_cache(ids.to(device))
        runs.append((model, logits, cache))
    return runs


def close(one, other):
    assert other.device.type == "cuda"
    torch.testing.assert_close(one, other.cpu(), atol=1e-10, rtol=1e-10)


def test_every_activation_is_the_same(pair):
    (_, cpu_logits, cpu), (_, logits, cuda) = pair
    close(cpu_logits, logits)
    for name in cpu:
        close(cpu[name], cuda[name])


@pytest.mark.parametrize("name", ANALYSES)
def test_every_analysis_runs_where_its_cache_is(pair, name):
    (_, _, cpu), (_, _, cuda) = pair
    close(ANALYSES[name](cpu), ANALYSES[name](cuda))


@pytest.mark.parametrize("mix", REFUSED)
def test_cuda_refuses_what_the_simulation_refuses(mix):
    with pytest.raises(RuntimeError, match="same device"):
        REFUSED[mix](torch.ones(3, 3).cuda(), torch.ones(3, 3))


@pytest.mark.parametrize("mix", ALLOWED)
def test_cuda_allows_what_the_simulation_allows(mix):
    result = ALLOWED[mix](torch.ones(3, 3).cuda(), torch.ones(3, 3))
    assert result.device.type == "cuda"
    assert torch.equal(result.cpu(), ALLOWED[mix](torch.ones(3, 3), torch.ones(3, 3)))


def test_a_harvest_on_the_gpu_has_the_same_rows(tmp_path):
    data = tmp_path / "data.txt"
    data.write_text("The capital of France is Paris .\nIn France people speak French .\n")
    for device in ("cpu", "cuda"):
        arguments = ["harvest", str(data), str(tmp_path / device), "--device", device]
        assert main([*arguments, "--names", "blocks.*.hook_resid_post", "pattern1"]) == 0
    cpu, cuda = (load_file(tmp_path / d / "shard-000000.safetensors") for d in ("cpu", "cuda"))
    for name, rows in cpu.items():
        torch.testing.assert_close(cuda[name], rows, atol=1e-3, rtol=1e-3)


def test_a_cache_kept_on_the_cpu_is_analysed_beside_a_model_on_the_gpu(pair):
    (_, _, cpu), (model, _, _) = pair
    _, cache = model.run_with_cache(tokens(3, 7).cuda(), device="cpu")
    stack = cache.decompose_resid(apply_ln=True)
    assert stack.device.type == "cpu"
    torch.testing.assert_close(stack, cpu.decompose_resid(apply_ln=True), atol=1e-10, rtol=1e-10)
    assert model.device.type == "cuda"


def test_the_allocators_figures_agree_with_the_exact_ones():
    model = HookedTransformer.from_pretrained().cuda()
    ids = torch.zeros(32, 48, dtype=torch.long, device="cuda")
    exact = saved_for_backward(lambda: model(ids)).total
    modes = compare_modes(model, ids)
    kept = modes["grad"].retained - modes["no_grad"].retained
    assert kept == pytest.approx(exact, rel=0.02)  # each tensor is rounded up to 512 bytes
    assert methods.by_cuda_allocator(model, ids) == pytest.approx(modes["grad"].retained, rel=0.02)
    assert methods.by_device(model, ids) >= 0


def test_the_apps_run_on_the_gpu(tmp_path, capsys):
    assert main(["--device", "cuda"]) == 0
    report = tmp_path / "report"
    assert main(["memory", "--device", "cuda", "--cuda-report", str(report)]) == 0
    assert (report / "summary.txt").read_text()
    assert (report / "snapshot.pickle").stat().st_size > 0
    assert "CUDA allocator" in capsys.readouterr().out


SWEEPS = [name for name in dir(patching) if name.startswith("get_act_patch_")]


def difference(logits):
    return (logits[:, -1, 3] - logits[:, -1, 4]).mean()


@pytest.fixture(scope="module")
def runs():
    """A model, a corrupted prompt and the cache of a clean one, on the CPU and on the GPU."""
    corrupted, clean = tokens(2, 5, 1), tokens(2, 5, 101)
    runs = []
    for device in ("cpu", "cuda"):
        model = random_model().to(device)
        with torch.no_grad():
            _, cache = model.run_with_cache(clean.to(device))
        runs.append((model, corrupted.to(device), cache, difference))
    return runs


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_of_patches_is_the_same(runs, name):
    cpu, cuda = runs
    sweep = getattr(patching, name)
    torch.testing.assert_close(sweep(*cuda).cpu(), sweep(*cpu), atol=1e-6, rtol=1e-5)


def test_estimates_paths_and_ablations_are_the_same(runs):
    def all_of(model, corrupted, cache, metric):
        with patching.ablate(model, ["L0H1", "1_mlp_out"], "mean", cache), torch.no_grad():
            ablated = model(corrupted)
        run = (model, corrupted, cache, metric)
        estimate = patching.attribution_patching(*run, "z", ["layer", "pos", "head"])
        path = patching.path_patching(*run, ["L0H1", "0_mlp_out"], ["L1H0"], "k")
        return ablated, estimate.detach(), path.detach()

    for expected, result in zip(*(all_of(*run) for run in runs), strict=True):
        torch.testing.assert_close(result.cpu(), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "gpt_neox", "granite", "mixtral"])
def test_a_wrapped_model_is_the_same(family):
    pytest.importorskip("transformers", reason="wrapping needs transformers")
    from tests.bridge.families import tiny_model

    ids, runs = torch.arange(2, 16).reshape(2, 7), []
    for device in ("cpu", "cuda"):
        wrapped = minicache.wrap(tiny_model(family).to(device))
        with torch.no_grad():
            logits, cache = wrapped.run_with_cache(ids.to(device))
        assert torch.equal(logits, wrapped.model(ids.to(device)).logits)
        runs.append((cache, cache.decompose_resid(apply_ln=True), cache.stack_head_results()))
    (cpu, *stacks), (cuda, *found) = runs
    assert {*cpu} == {*cuda}
    near = dict(atol=1e-5, rtol=1e-4)  # some compute angles of positions, or norms, in float32
    for name in cpu:
        torch.testing.assert_close(cuda[name].cpu(), cpu[name], **near)
    for expected, result in zip(stacks, found, strict=True):
        torch.testing.assert_close(result.cpu(), expected, **near)


def test_a_model_spread_over_a_gpu_and_the_cpu_is_wrapped():
    pytest.importorskip("transformers", reason="wrapping needs transformers")
    hooks = pytest.importorskip("accelerate.hooks", reason="accelerate spreads a model")
    from tests.bridge.families import tiny_model

    ids = torch.arange(2, 16).reshape(2, 7)
    with torch.no_grad():
        _, expected = minicache.wrap(tiny_model("llama")).run_with_cache(ids)
    model = tiny_model("llama").cuda()
    there = hooks.AlignDevicesHook(execution_device="cpu", io_same_device=True)
    hooks.add_hook_to_module(model.model.layers[1].cpu(), there)
    with torch.no_grad():
        _, cache = minicache.wrap(model).run_with_cache(ids.cuda())
    assert {*cache} == {*expected}
    assert {cache["resid_post", layer].device.type for layer in range(3)} == {"cpu", "cuda"}
    for name in expected:
        torch.testing.assert_close(cache[name].cpu(), expected[name], atol=1e-5, rtol=1e-4)


def test_a_model_whose_weights_are_offloaded_is_refused():
    pytest.importorskip("transformers", reason="wrapping needs transformers")
    accelerate = pytest.importorskip("accelerate", reason="accelerate offloads weights")
    from tests.bridge.families import tiny_model

    places = {"model.embed_tokens": 0, "model.layers.0": 0, "model.layers.1": "cpu"}
    places |= {"model.layers.2": 0, "model.norm": 0, "model.rotary_emb": 0, "lm_head": 0}
    spread = accelerate.dispatch_model(tiny_model("llama"), places, main_device=0)
    with pytest.raises(ConfigError, match=r"weights on the meta device.*more devices"):
        minicache.wrap(spread)
