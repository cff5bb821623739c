"""Annotations hold: they resolve, and a checker of calls can read them."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType

import mypy.api
import pytest

import minicache

# Not the commands: they import torch only when they run, so that --help is quick.
MODULES = [
    import_module(found.name)
    for found in walk_packages(minicache.__path__, "minicache.")
    if not found.name.startswith(("minicache.__main__", "minicache.cli"))
]


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
            typing.get_type_hints(function)
        except NameError as error:
            pytest.fail(f"{module.__name__}.{name}: {error}")


def test_the_modules_looked_at_are_those_with_public_names():
    seen = {name for module in MODULES for name, _ in callables(module)}
    assert {"get_act_name", "Slice.apply", "HookedTransformer.b_U", "decompose_resid"} <= seen
    assert len(seen) > 100


def test_what_is_a_result_or_a_plan_cannot_be_changed():
    frozen = {
        name
        for module in MODULES
        for name, thing in vars(module).items()
        if dataclasses.is_dataclass(thing) and thing.__dataclass_params__.frozen
    }
    results = {"Base", "Frozen", "FrozenNorm", "ModeCost", "Plan", "Saved", "SavedBytes"}
    assert results | {"WrappedConfig"} <= frozen


def test_every_protocol_can_be_checked_by_isinstance_so_that_calls_can_be_checked():
    for module in MODULES:
        for thing in vars(module).values():
            ours = inspect.isclass(thing) and thing.__module__ == module.__name__
            if ours and getattr(thing, "_is_protocol", False):
                isinstance(None, thing)  # a TypeError, for one that is not runtime_checkable


LABELLED = [
    function
    for module in MODULES
    for _, function in callables(module)
    if module.__name__.startswith("minicache.analysis.") and "patching" not in module.__name__
    if inspect.isfunction(function) and "return_labels" in inspect.signature(function).parameters
]


CALLS = """
from typing import assert_type
from torch import Tensor
from minicache.analysis.{module} import {function} as analysis
from minicache import ActivationCache

def check(cache: ActivationCache, first: int) -> None:
    assert_type(cache.{function}(first), Tensor)
    assert_type(cache.{function}(first, return_labels=False), Tensor)
    assert_type(cache.{function}(first, return_labels=True), tuple[Tensor, list[str]])
    assert_type(analysis(cache, first), Tensor)
    assert_type(analysis(cache, first, return_labels=True), tuple[Tensor, list[str]])
    cache.{function}(first, pos_slice=1.5)  # type: ignore[call-overload]
    cache.{function}(first, labels=True)  # type: ignore[call-overload]
"""


def test_a_type_checker_knows_whether_labels_come_and_checks_the_arguments(tmp_path):
    for function in LABELLED:
        module = function.__module__.rpartition(".")[2]
        calls = CALLS.format(module=module, function=function.__name__)
        (tmp_path / f"calls_{function.__name__}.py").write_text(calls)
    report, trouble, status = mypy.api.run(["--strict", str(tmp_path)])
    assert (status, trouble) == (0, ""), report  # an ignore that is not needed is an error too


@pytest.mark.parametrize("function", LABELLED, ids=lambda function: function.__name__)
def test_the_signature_that_is_read_is_the_one_that_runs(function):
    asked = inspect.signature(function).parameters["return_labels"]
    assert asked.default is False
    rows, labelled = typing.get_args(typing.get_type_hints(function)["return"])
    assert typing.get_origin(rows) is not tuple
    assert typing.get_args(labelled) == (rows, list[str])


def test_seven_analyses_give_labels():
    assert len(LABELLED) == 7
