"""The package's own source, by name: what lessons show, and what a module holds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class LessonError(Exception):
    """A page says something that is not so. The build stops."""


def module_source(module: str) -> str:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise LessonError(f"there is no module {module}")
    return Path(spec.origin).read_text("utf-8")


def modules(name: str) -> list[str]:
    """The module of this name; for a package, all modules in it."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return [name]
    folder = Path(spec.submodule_search_locations[0])
    files = (file.relative_to(folder).with_suffix("") for file in sorted(folder.rglob("*.py")))
    return [".".join((name, *file.parts)).removesuffix(".__init__") for file in files]


def _named(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                yield ast.unparse(target), node


def source(name: str) -> str:
    """The source of `package.module:Class.method`, of a constant, or of a whole module."""
    module, _, path = name.partition(":")
    text = module_source(module)
    node: Any = ast.parse(text)
    for part in filter(None, path.split(".")):
        found = dict(_named(node.body)).get(part)
        if found is None:
            raise LessonError(f"{module} has no {path}")
        node = found
    if not path:
        return text
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    lines = text.splitlines()[first - 1 : node.end_lineno]
    return "\n".join(line[node.col_offset :] for line in lines)


def definitions(module: str) -> list[str]:
    """Every function, class and method of a module, as `module:Class.method`."""

    def walk(body: list[ast.stmt], before: str) -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield before + node.name
                if isinstance(node, ast.ClassDef):
                    yield from walk(node.body, f"{before}{node.name}.")

    return list(walk(ast.parse(module_source(module)).body, f"{module}:"))


def file_source(path: str) -> str:
    """The text of a file that is no Python module, by its path in the repository."""
    file = Path(__file__).parents[2] / path
    if not file.is_file():
        raise LessonError(f"there is no file {path}")
    return file.read_text("utf-8")
