"""Type an analysis that gives labels when it is asked for them: `return_labels=True`.

What such a function returns depends on one of its arguments. Python has `@overload` for that, which
asks for the whole signature once more for each answer. Here the overloads stand once, for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import (
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
    runtime_checkable,
)

from minicache.analysis.protocols import Cached

__all__ = ["Analysis", "Labelled", "Method", "gives_labels"]

Options = ParamSpec("Options")
Rows = TypeVar("Rows", covariant=True)
Labelled = tuple[Rows, list[str]]
"""With `return_labels=True`: the rows, and a name for each of them."""


@runtime_checkable
class Method(Protocol[Options, Rows]):
    """An analysis as a method of a cache. Its own arguments are `Options`."""

    @overload
    def __call__(
        self, *args: Any, return_labels: Literal[True], **options: Any
    ) -> Labelled[Rows]: ...

    @overload
    def __call__(self, *args: Options.args, **options: Options.kwargs) -> Rows: ...


@runtime_checkable
class Analysis(Method[Concatenate[Cached, Options], Rows], Protocol[Options, Rows]):
    """The same as a function of a cache, which a class body may bind."""

    def __get__(self, cache: Any, owner: Any, /) -> Method[Options, Rows]: ...


def gives_labels(
    function: Callable[Concatenate[Cached, Options], Rows | Labelled[Rows]],
) -> Analysis[Options, Rows]:
    """The function itself. A type checker learns what it gives with labels, and what without.

    Where labels are asked for, the types of the other arguments are not checked.
    """
    return function  # type: ignore[return-value]  # a function has no overloads to show
