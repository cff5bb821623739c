"""Measure what autodiff costs in memory: exactly, by a formula, and by six common methods."""

from minicache.memory.formula import predict_saved_bytes
from minicache.memory.live import compare_modes
from minicache.memory.saved import saved_for_backward

__all__ = ["compare_modes", "predict_saved_bytes", "saved_for_backward"]
