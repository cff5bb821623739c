"""The same on a GPU. These skip, with the reason, where there is none."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from minicache import HookedTransformer, compare_modes, saved_for_backward
from minicache.__main__ import main
from minicache.memory import methods
from tests.test_devices import ALLOWED, ANALYSES, REFUSED
from tests.worlds import random_model, tokens

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
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
