"""The six methods of the notes, each by itself."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from minicache import HookedTransformer
from minicache.errors import ConfigError, MissingPackageError
from minicache.memory import methods


def test_tensorboard_files_can_be_read_back(tmp_path):
    model = HookedTransformer.from_pretrained()
    ids = torch.zeros(2, 10, dtype=torch.long)
    says = methods.by_tensorboard(model, ids, tmp_path)
    assert list(tmp_path.glob("events.out.tfevents.*"))
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    points = events.Scalars("memory/live_bytes")
    assert [point.step for point in points] == [0, 1, 2, 3, 4]
    values = [point.value for point in points]
    assert values == sorted(values)
    assert values[-1] - values[0] == says


@pytest.mark.parametrize(
    ("module", "method", "package"),
    [
        ("psutil", methods.by_process, "psutil"),
        ("pynvml", methods.by_device, "nvidia-ml-py"),
        ("memory_profiler", methods.by_line, "memory-profiler"),
        ("torch.utils.tensorboard", methods.by_tensorboard, "tensorboard"),
        ("memray", methods.by_memray, "memray"),
    ],
)
def test_a_missing_package_names_the_command_that_brings_it(monkeypatch, module, method, package):
    monkeypatch.setitem(sys.modules, module, None)  # what Python itself does to block an import
    with pytest.raises(MissingPackageError, match=r"pip install .*\[memory\]") as caught:
        method(HookedTransformer.from_pretrained(), torch.zeros(1, 2, dtype=torch.long))
    assert package in str(caught.value)


def test_without_a_driver_nvidia_smi_says_so(monkeypatch):
    class NVMLError(Exception):
        pass

    def init():
        raise NVMLError("no library")

    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(NVMLError=NVMLError, nvmlInit=init))
    with pytest.raises(ConfigError, match="no NVIDIA driver"):
        methods.by_device(HookedTransformer.from_pretrained(), torch.zeros(1, 2, dtype=torch.long))
