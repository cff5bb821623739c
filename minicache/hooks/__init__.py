"""Hook points, and models that give each of theirs a name."""

from minicache.hooks.point import Direction, HookFunction, HookPoint
from minicache.hooks.root import HookedRootModule, NamesFilter

__all__ = ["Direction", "HookFunction", "HookPoint", "HookedRootModule", "NamesFilter"]
