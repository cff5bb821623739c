"""Estimate the bytes that autodiff keeps, by six common methods.

Each method is a function that runs the same forward pass, and returns its estimate of the bytes
that autodiff keeps. `python -m minicache memory` compares the estimates with the exact number.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from minicache.errors import ConfigError, optional
from minicache.memory import saved_for_backward
from minicache.memory.live import LiveBytes
from minicache.model import HookedTransformer

__all__ = ["METHODS", "Method", "Tokens", "sweep"]

Tokens = Int[Tensor, "batch pos"]


def by_process(model: HookedTransformer, tokens: Tokens) -> float:
    """1. Measure the growth of the process's resident memory, RES in `top` and `htop`."""
    process = optional("psutil", "memory").Process()
    gc.collect()
    return _measure_growth(lambda: process.memory_info().rss, model, tokens)


def by_device(model: HookedTransformer, tokens: Tokens) -> float:
    """1. Measure the growth of the whole GPU's used memory, as `nvidia-smi` shows it."""
    nvml = optional("pynvml", "memory", "nvidia-ml-py")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise ConfigError(f"no NVIDIA driver here ({error})") from None
    device = nvml.nvmlDeviceGetHandleByIndex(0)  # pragma: no cover  # the tests marked `cuda` do
    return _measure_growth(  # pragma: no cover  # the tests marked `cuda` do
        lambda: nvml.nvmlDeviceGetMemoryInfo(device).used, model, tokens
    )


def by_cuda_allocator(model: HookedTransformer, tokens: Tokens) -> float:
    """2. Measure the growth of torch's CUDA allocator, shown by `torch.cuda.memory_summary()`."""
    if tokens.device.type != "cuda":
        raise ConfigError("the model is not on CUDA: give --device cuda on a machine with CUDA")
    return _measure_growth(  # pragma: no cover  # the tests marked `cuda` do
        torch.cuda.memory_allocated, model, tokens
    )


def cuda_report(model: HookedTransformer, tokens: Tokens, folder: Path) -> None:
    """2. Write `summary.txt`, torch's table, and `snapshot.pickle` for pytorch.org/memory_viz.

    Raises:
        ConfigError: the model is not on CUDA.
    """
    if tokens.device.type != "cuda":
        raise ConfigError("--cuda-report needs CUDA: give --device cuda on a machine with CUDA.")
    _write_cuda_report(model, tokens, folder)  # pragma: no cover  # the tests marked `cuda` do


def _write_cuda_report(
    model: HookedTransformer, tokens: Tokens, folder: Path
) -> None:  # pragma: no cover  # the tests marked `cuda` do
    folder.mkdir(parents=True, exist_ok=True)
    history: Any = torch.cuda.memory  # torch has no types for the next functions
    history._record_memory_history()
    logits = model(tokens)
    (folder / "summary.txt").write_text(torch.cuda.memory_summary())
    history._dump_snapshot(str(folder / "snapshot.pickle"))
    history._record_memory_history(enabled=None)
    del logits


def _measure_growth(
    read_bytes: Callable[[], int], model: HookedTransformer, tokens: Tokens
) -> float:
    """Measure how much `read_bytes()` grows over a forward pass whose graph is kept."""
    before = read_bytes()
    logits = model(tokens)
    growth = read_bytes() - before
    del logits
    return float(growth)


def by_tensorboard(
    model: HookedTransformer, tokens: Tokens, folder: str | Path | None = None
) -> float:
    """2. Log the live bytes after every block as a TensorBoard scalar, and read its file."""
    board = optional("torch.utils.tensorboard", "memory", "tensorboard")
    reader = optional(
        "tensorboard.backend.event_processing.event_accumulator", "memory", "tensorboard"
    )
    with TemporaryDirectory() as scratch, LiveBytes() as live:
        log_folder = str(folder or scratch)
        with board.SummaryWriter(log_folder) as writer:

            def log(tensor: Tensor, hook: Any) -> None:
                writer.add_scalar("memory/live_bytes", live.now, hook.layer() + 1)

            writer.add_scalar("memory/live_bytes", live.now, 0)
            with model.hooks([(lambda name: name.endswith("hook_resid_post"), log)]):
                logits = model(tokens)
            writer.add_scalar("memory/live_bytes", live.now, model.cfg.n_layers + 1)
            del logits
        events = reader.EventAccumulator(log_folder)
        events.Reload()
        points = events.Scalars("memory/live_bytes")
    return float(points[-1].value - points[0].value)


def by_line(model: HookedTransformer, tokens: Tokens) -> float:
    """3. Sum the growth line by line with `memory_profiler`, which reads the process's memory."""
    profiler = optional("memory_profiler", "memory", "memory-profiler").LineProfiler(
        backend="psutil"
    )
    gc.collect()
    logits = profiler(_run_line_by_line)(model, tokens)
    mebibytes = sum(
        increment[0]
        for lines in dict(profiler.code_map.items()).values()
        for number, increment in lines
        if increment and number > _run_line_by_line.__code__.co_firstlineno
    )
    del logits
    return float(mebibytes * 2**20)


def _run_line_by_line(model: Any, tokens: Tokens) -> Tensor:
    resid = model.hook_embed(model.embed(tokens)) + model.hook_pos_embed(model.pos_embed(tokens))
    for block in model.blocks:
        resid = block(resid)
    resid = model.ln_final(resid)
    logits: Tensor = model.unembed(resid)
    return logits


def by_memray(model: HookedTransformer, tokens: Tokens) -> float:
    """3. Sum all allocations, native ones too, that `memray` records and that are not freed."""
    memray = optional("memray", "memory")
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "run.bin"
        with memray.Tracker(file):
            logits = model(tokens)
        del logits
        records = memray.FileReader(file).get_leaked_allocation_records(merge_threads=True)
        return float(sum(record.size for record in records))


def by_comparison(mode: Any, model: HookedTransformer, tokens: Tokens) -> float:
    """4. Measure the bytes that a run keeps with autodiff, less those that it keeps without."""
    kept = []
    for context in (torch.enable_grad(), mode):
        with context, LiveBytes() as live:
            logits = model(tokens)
            kept.append(live.now)
            del logits
    return float(kept[0] - kept[1])


def by_batch_size(model: HookedTransformer, tokens: Tokens) -> float:
    """5. Fit a line to the bytes that smaller batches keep, and extend it to this batch."""
    sizes, kept = zip(*sweep(model, tokens), strict=True)
    slope, start = _fit_line(sizes[:-1] or sizes, kept[:-1] or kept)
    return slope * len(tokens) + start


def by_profiler(model: HookedTransformer, tokens: Tokens) -> float:
    """6. Sum allocated less freed bytes of all operations, as `torch.profiler` records them."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # at lower levels the profiler prints progress
    activities = [torch.profiler.ProfilerActivity.CPU]
    recording = torch.profiler.profile(activities=activities, profile_memory=True, acc_events=True)
    with recording as profile:
        logits = model(tokens)
    del logits
    side = "device" if tokens.device.type == "cuda" else "cpu"
    return float(sum(getattr(e, f"self_{side}_memory_usage") for e in profile.key_averages()))


class Method(NamedTuple):
    """A method: its number in lesson 12, its name, its function, and the question it answers."""

    number: int
    name: str
    run: Callable[[HookedTransformer, Tokens], float]
    good_for: str


METHODS: Final = (
    Method(1, "top, htop (psutil)", by_process, "will it fit in this machine at all?"),
    Method(1, "nvidia-smi (NVML)", by_device, "who else is on this GPU?"),
    Method(2, "CUDA allocator", by_cuda_allocator, "peaks and fragments on a GPU"),
    Method(2, "TensorBoard scalar", by_tensorboard, "watching a long training run"),
    Method(3, "memory_profiler", by_line, "finding a large leak in Python code"),
    Method(3, "memray", by_memray, "finding who allocated, native code too"),
    Method(4, "less no_grad", partial(by_comparison, torch.no_grad()), "a quick, sound estimate"),
    Method(
        4,
        "less inference_mode",
        partial(by_comparison, torch.inference_mode()),
        "the same; here they agree",
    ),
    Method(5, "batch size, a line", by_batch_size, "what is the largest batch that fits?"),
    Method(6, "torch.profiler", by_profiler, "which operation allocates"),
)


def sweep(model: HookedTransformer, tokens: Tokens) -> list[tuple[int, int]]:
    """Measure (batch size, exact bytes kept) for 1, 2, 4 .. items, and for all of them."""
    sizes = [2**power for power in range(len(tokens).bit_length()) if 2**power < len(tokens)]
    return [
        (size, saved_for_backward(lambda size=size: model(tokens[:size])).total)  # type: ignore[misc]  # a default is how a lambda keeps its own size
        for size in [*sizes, len(tokens)]
    ]


def _fit_line(sizes: tuple[int, ...], kept: tuple[int, ...]) -> tuple[float, float]:
    """Fit a line by least squares. Returns its slope and its value at 0."""
    x, y = (torch.tensor(values, dtype=torch.float64) for values in (sizes, kept))
    spread = x - x.mean()
    slope = float((spread * y).sum() / (spread * spread).sum().clamp(min=1e-9))
    return slope, float(y.mean()) - slope * float(x.mean())
