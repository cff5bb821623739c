"""Hook points, and the base class of models that name their hook points."""

from minicache.hooks.point import Direction, HookFunction, HookPoint
from minicache.hooks.root import HookedRootModule, NamesFilter

__all__ = ["Direction", "HookFunction", "HookPoint", "HookedRootModule", "NamesFilter"]
