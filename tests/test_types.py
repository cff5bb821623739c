"""Annotations hold: they resolve, and a checker of calls can read them."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType

import pytest

import minicache

# Not the commands: they import torch only when they run, so that --help is quick.
MODULES = [
    import_module(found.name)
    for found in walk_packages(minicache.__path__, "minicache.")
    if not found.name.startswith(("minicache.__main__", "minicache.cli"))
]

# One module names types of the module that builds on it.
LATER = {"minicache.bridge.follow": vars(import_module("minicache.bridge.probe"))}


def callables(module: ModuleType) -> Iterator[tuple[str, Callable]]:
    """Every public function of a module, and every method of its public classes."""
    for name in getattr(module, "__all__", ()):
        thing = getattr(module, name)
        if inspect.isfunction(thing):
            yield name, thing
        if inspect.isclass(thing) and thing.__module__ == module.__name__:
            yield name, thing
            for method, member in vars(thing).items():
                function = getattr(member, "fget", None) or getattr(member, "__func__", member)
                if inspect.isfunction(function):
                    yield f"{name}.{method}", function


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_type_hints_of_every_public_callable_resolve(module):
    for name, function in callables(module):
        try:
            typing.get_type_hints(function, localns=LATER.get(module.__name__))
        except NameError as error:
            pytest.fail(f"{module.__name__}.{name}: {error}")


def test_the_modules_looked_at_are_those_with_public_names():
    seen = {name for module in MODULES for name, _ in callables(module)}
    assert {"get_act_name", "Slice.apply", "HookedTransformer.b_U", "decompose_resid"} <= seen
    assert len(seen) > 100
