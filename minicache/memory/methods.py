"""Estimate what autodiff keeps, by the six methods that are in common use.

Each method is a small function. It runs the same forward pass, and returns one number: the bytes
that it takes autodiff to have kept. `python -m minicache memory` compares them with the exact one.
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
    """1. The growth of the process, as `top` and `htop` show it (RES)."""
    process = optional("psutil", "memory").Process()
    gc.collect()
    return _growth(lambda: process.memory_info().rss, model, tokens)


def by_device(model: HookedTransformer, tokens: Tokens) -> float:
    """1. The growth of what the driver counts for the whole device, as `nvidia-smi` shows it."""
    nvml = optional("pynvml", "memory", "nvidia-ml-py")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise ConfigError(f"no NVIDIA driver here ({error})") from None
    device = nvml.nvmlDeviceGetHandleByIndex(0)  # pragma: no cover  # the tests marked `cuda` do
    return _growth(  # pragma: no cover  # the tests marked `cuda` do
        lambda: nvml.nvmlDeviceGetMemoryInfo(device).used, model, tokens
    )


def by_cuda_allocator(model: HookedTransformer, tokens: Tokens) -> float:
    """2. The growth of torch's CUDA allocator: the first rows of `torch.cuda.memory_summary()`."""
    if tokens.device.type != "cuda":
        raise ConfigError("the model is not on CUDA: give --device cuda on a machine with CUDA")
    return _growth(  # pragma: no cover  # the tests marked `cuda` do
        torch.cuda.memory_allocated, model, tokens
    )


def cuda_report(model: HookedTransformer, tokens: Tokens, folder: Path) -> None:
    """2. Write `summary.txt`, torch's own table, and `snapshot.pickle` for pytorch.org/memory_viz.

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
    history: Any = torch.cuda.memory  # torch has not typed what follows
    history._record_memory_history()
    logits = model(tokens)
    (folder / "summary.txt").write_text(torch.cuda.memory_summary())
    history._dump_snapshot(str(folder / "snapshot.pickle"))
    history._record_memory_history(enabled=None)
    del logits


def _growth(read: Callable[[], int], model: HookedTransformer, tokens: Tokens) -> float:
    """How much a reading grows over a forward pass whose graph is kept."""
    before = read()
    logits = model(tokens)
    grown = read() - before
    del logits
    return float(grown)


def by_tensorboard(
    model: HookedTransformer, tokens: Tokens, folder: str | Path | None = None
) -> float:
    """2. Live bytes after every block, logged as a TensorBoard scalar, and read from its file."""
    board = optional("torch.utils.tensorboard", "memory", "tensorboard")
    reader = optional(
        "tensorboard.backend.event_processing.event_accumulator", "memory", "tensorboard"
    )
    with TemporaryDirectory() as scratch, LiveBytes() as live:
        where = str(folder or scratch)
        with board.SummaryWriter(where) as writer:

            def log(tensor: Tensor, hook: Any) -> None:
                writer.add_scalar("memory/live_bytes", live.now, hook.layer() + 1)

            writer.add_scalar("memory/live_bytes", live.now, 0)
            with model.hooks([(lambda name: name.endswith("hook_resid_post"), log)]):
                logits = model(tokens)
            writer.add_scalar("memory/live_bytes", live.now, model.cfg.n_layers + 1)
            del logits
        events = reader.EventAccumulator(where)
        events.Reload()
        points = events.Scalars("memory/live_bytes")
    return float(points[-1].value - points[0].value)


def by_line(model: HookedTransformer, tokens: Tokens) -> float:
    """3. Line by line with `memory_profiler`, which reads the process's size after each line."""
    profiler = optional("memory_profiler", "memory", "memory-profiler").LineProfiler(
        backend="psutil"
    )
    gc.collect()
    logits = profiler(_line_by_line)(model, tokens)
    mebibytes = sum(
        increment[0]
        for lines in dict(profiler.code_map.items()).values()
        for number, increment in lines
        if increment and number > _line_by_line.__code__.co_firstlineno
    )
    del logits
    return float(mebibytes * 2**20)


def _line_by_line(model: Any, tokens: Tokens) -> Tensor:
    resid = model.hook_embed(model.embed(tokens)) + model.hook_pos_embed(model.pos_embed(tokens))
    for block in model.blocks:
        resid = block(resid)
    resid = model.ln_final(resid)
    logits: Tensor = model.unembed(resid)
    return logits


def by_memray(model: HookedTransformer, tokens: Tokens) -> float:
    """3. Every allocation that was not freed again, as `memray` records them, native ones too."""
    memray = optional("memray", "memory")
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "run.bin"
        with memray.Tracker(file):
            logits = model(tokens)
        del logits
        records = memray.FileReader(file).get_leaked_allocation_records(merge_threads=True)
        return float(sum(record.size for record in records))


def by_comparison(mode: Any, model: HookedTransformer, tokens: Tokens) -> float:
    """4. What a run keeps with autodiff, less what it keeps without."""
    kept = []
    for context in (torch.enable_grad(), mode):
        with context, LiveBytes() as live:
            logits = model(tokens)
            kept.append(live.now)
            del logits
    return float(kept[0] - kept[1])


def by_batch_size(model: HookedTransformer, tokens: Tokens) -> float:
    """5. A line fitted to what smaller batches keep, extended to the batch that was asked for."""
    sizes, kept = zip(*sweep(model, tokens), strict=True)
    slope, start = _fit_line(sizes[:-1] or sizes, kept[:-1] or kept)
    return slope * len(tokens) + start


def by_profiler(model: HookedTransformer, tokens: Tokens) -> float:
    """6. `torch.profiler` with `profile_memory=True`: allocated less freed, over all operations."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # it would print its progress
    activities = [torch.profiler.ProfilerActivity.CPU]
    recording = torch.profiler.profile(activities=activities, profile_memory=True, acc_events=True)
    with recording as profile:
        logits = model(tokens)
    del logits
    side = "device" if tokens.device.type == "cuda" else "cpu"
    return float(sum(getattr(e, f"self_{side}_memory_usage") for e in profile.key_averages()))


class Method(NamedTuple):
    """A way to measure: its number in the notes, its name, the run, and what it is good for."""

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
    """(batch size, exact bytes saved) for 1, 2, 4 .. items, and all of them."""
    sizes = [2**power for power in range(len(tokens).bit_length()) if 2**power < len(tokens)]
    return [
        (size, saved_for_backward(lambda size=size: model(tokens[:size])).total)  # type: ignore[misc]  # a default is how a lambda keeps its own size
        for size in [*sizes, len(tokens)]
    ]


def _fit_line(sizes: tuple[int, ...], kept: tuple[int, ...]) -> tuple[float, float]:
    """The slope of the line through the points, by least squares, and its value at 0."""
    x, y = (torch.tensor(values, dtype=torch.float64) for values in (sizes, kept))
    spread = x - x.mean()
    slope = float((spread * y).sum() / (spread * spread).sum().clamp(min=1e-9))
    return slope, float(y.mean()) - slope * float(x.mean())
