"""What a GPU's own gauges say of one forward pass, recorded for the lesson that teaches them.

    python -m tests.benchmarks.gpu --json tests/benchmarks/gpu.json

Two models, each in a fresh process: the shipped one with 32 x 48 tokens, and a random one of
GPT-2's shape with 8 x 256. Read after each step: torch's allocator (allocated, reserved, their
peak), the driver's own count of the whole device, and torch's profiler. Bytes everywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from minicache import HookedTransformer, HookedTransformerConfig, saved_for_backward
from minicache.errors import ConfigError
from minicache.memory.live import compare_modes

GPT2 = dict(n_layers=12, d_model=768, n_ctx=1024, d_head=64, n_heads=12, d_vocab=50257)
RUNS = {"shipped": (32, 48), "GPT-2's shape": (8, 256)}
SUMMARY_ROWS = ("Metric", "Allocated memory", "GPU reserved memory")


def without_folder(line: str) -> str:
    """A line of nvidia-smi's table that names a program by its last part alone."""
    return re.sub(r"/\S*/(\S+)", lambda path: path[1].ljust(len(path[0])), line)


def read() -> dict[str, int]:
    """What torch's allocator and the driver say now."""
    torch.cuda.synchronize()
    free, total = torch.cuda.mem_get_info()
    return {
        "allocated": torch.cuda.memory_allocated(),
        "reserved": torch.cuda.memory_reserved(),
        "used on the device": total - free,
    }


def table(found: dict[str, Any]) -> str:
    """What lesson 12b shows of a record: the gauges after each step, for the shipped model."""
    rows = ["| after | allocated | reserved | used on the device |", "|---|--:|--:|--:|"]
    for step, sizes in found["runs"]["shipped"]["steps"].items():
        rows.append(f"| {step} | " + " | ".join(f"{b / 1e6:.2f} MB" for b in sizes.values()) + " |")
    return "\n".join(rows)


def observe(name: str) -> dict[str, Any]:
    """All gauges around one forward pass of a model, in this process."""
    if name == "shipped":
        model = HookedTransformer.from_pretrained()
    else:
        config = HookedTransformerConfig(**GPT2, act_fn="gelu_new", seed=0)
        model = HookedTransformer(config).eval()
    batch, pos = RUNS[name]
    tokens = torch.arange(batch * pos).reshape(batch, pos) % model.cfg.d_vocab
    torch.cuda.init()
    steps = {"nothing yet": read()}
    model, tokens = model.cuda(), tokens.cuda()
    steps["the model is there"] = read()
    for which in ("first", "second"):
        logits = model(tokens)
        steps[f"{which} forward pass, its graph held"] = read()
        seen = subprocess.run(["nvidia-smi"], capture_output=True, text=True).stdout.splitlines()
        summary = torch.cuda.memory_summary().splitlines()
        of_logits = logits.nbytes
        del logits
        steps[f"{which} graph let go"] = read()
    torch.cuda.empty_cache()
    steps["empty_cache()"] = read()
    torch.cuda.reset_peak_memory_stats()
    loss = model(tokens, return_type="loss")
    after_forward = read()["allocated"]
    loss.backward()
    step = {
        "after forward": after_forward,
        "peak": torch.cuda.max_memory_allocated(),
        "after backward": read()["allocated"],
    }
    del loss
    model.zero_grad(set_to_none=True)
    from torch.profiler import ProfilerActivity, profile

    both = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with profile(activities=both, profile_memory=True) as recorded:
        logits = model(tokens)
        torch.cuda.synchronize()
    del logits
    rows = sorted(recorded.key_averages(), key=lambda row: -row.self_device_memory_usage)
    return {
        "batch": batch,
        "pos": pos,
        "exact": saved_for_backward(lambda: model(tokens)).total,
        "logits": of_logits,
        "parameters": sum(p.nbytes for p in model.parameters()),
        "steps": steps,
        "training step": step,
        "modes": {
            mode: {"retained": cost.retained, "peak": cost.peak}
            for mode, cost in compare_modes(model, tokens).items()
        },
        "profiler": {
            "sum": sum(row.self_device_memory_usage for row in rows),
            "rows": [[row.key, row.self_device_memory_usage, row.count] for row in rows[:4]],
        },
        "nvidia-smi": [without_folder(line) for line in seen if "MiB" in line],
        "memory_summary": [line for line in summary if any(row in line for row in SUMMARY_ROWS)],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="where the record is written")
    parser.add_argument("--observe", choices=[*RUNS], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("Nothing was recorded: there is no CUDA device here.")
        return 2
    if args.observe:
        print(json.dumps(observe(args.observe)))
        return 0
    os.environ["KINETO_LOG_LEVEL"] = "6"
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "driver": driver(),
        "runs": {},
    }
    for name in RUNS:
        command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.gpu", "--observe", name]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ConfigError(f"{name} failed:\n{done.stderr}")
        found["runs"][name] = json.loads(done.stdout.splitlines()[-1])
    text = json.dumps(found, indent=1) + "\n"
    print(text)
    if args.json:
        args.json.write_text(text, "utf-8")
    return 0


def driver() -> str:
    """The driver's version, as `nvidia-smi` says it."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main())
