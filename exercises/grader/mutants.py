"""Make every first-order mutant of a reference: the same code with one small thing changed.

Each is a mistake that somebody makes. A check that lets one pass is a check that does not look
there. `python -m exercises mutants` grades them all: each is rejected, or stands in the exercise's
`EQUIVALENT` with the reason why nothing can tell it from the reference.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import pairwise

__all__ = ["mutants"]

COMPARE: dict[type, list[type]] = {
    ast.Lt: [ast.LtE, ast.Gt],
    ast.LtE: [ast.Lt, ast.GtE],
    ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
ARITHMETIC: dict[type, list[type]] = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div],
    ast.Div: [ast.Mult, ast.FloorDiv],
    ast.FloorDiv: [ast.Div],
    ast.Mod: [ast.FloorDiv],
}
IN_PLACE = {ast.Add: "add_", ast.Sub: "sub_", ast.Mult: "mul_", ast.Div: "div_"}
DROPPED = set("detach clone to contiguous float double cpu abs sqrt copy keys values items".split())
DROPPED |= set("mean sum softmax reset_hooks clear".split())
COPIES = {"list", "tuple", "dict", "set", "sorted", "reversed", "enumerate"}
HOLDERS = (ast.List, ast.Dict, ast.Set)
Change = Callable[[], None]


def mutants(source: str) -> dict[str, str]:
    """The source of every mutant, by what changed: `"old lines -> new lines"`."""
    tree = ast.parse(source)
    before, found = ast.unparse(tree), {}
    for number in range(sum(1 for _ in ast.walk(tree))):
        kind = 0
        while True:  # the next change at the same node, in a fresh copy
            copy = deepcopy(tree)
            change = dict(enumerate(_changes_at(copy, number))).get(kind)
            if change is None:
                break
            change()
            kind += 1
            after = ast.unparse(ast.fix_missing_locations(copy))
            if after != before and _compiles(after):
                found.setdefault(_what_changed(before, after), after)
    return found


def _compiles(code: str) -> bool:
    try:
        compile(code, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def _what_changed(before: str, after: str) -> str:
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    old, new = (
        " / ".join(line[2:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    return f"{old} -> {new}"


def _changes_at(tree: ast.Module, number: int) -> Iterator[Change]:
    """What can be changed at one node. Docstrings, annotations and messages are left alone."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    node = list(ast.walk(tree))[number]
    above = [node]
    while above[-1] in parents:
        above.append(parents[above[-1]])
    if any(_is_words(one, parents) for one in above) or (
        parents.get(node) and _is_annotation(node, parents)
    ):
        return

    def put(new: ast.AST | list[ast.stmt]) -> Change:
        return lambda: _put(parents[node], node, new)

    for new in _instead(node):
        yield put(new)
    if isinstance(node, ast.stmt):
        for body in _bodies_instead(node):
            yield put(body)
    yield from _inside(tree, node)


def _is_words(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """A message: of an exception or a log record, or a docstring."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    parent = parents.get(node)
    if isinstance(parent, ast.Call) and any(node is one for one in parent.args):
        called, above = parent.func, parents.get(parent)
        logs = isinstance(called, ast.Attribute) and called.attr in ("warning", "info", "debug")
        return logs or isinstance(above, ast.Raise)
    return False


def _is_annotation(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    parent = parents[node]
    return node in (getattr(parent, "annotation", None), getattr(parent, "returns", None))


def _put(parent: ast.AST, node: ast.AST, new: ast.AST | list[ast.stmt]) -> None:
    for field, value in ast.iter_fields(parent):
        if value is node:
            setattr(parent, field, new)
        elif isinstance(value, list) and any(one is node for one in value):
            place = next(i for i, one in enumerate(value) if one is node)
            value[place : place + 1] = new if isinstance(new, list) else [new]
            if not value and field == "body":
                value.append(ast.Pass())


def _instead(node: ast.AST) -> Iterator[ast.AST]:
    """Expressions in the place of an expression."""
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
            if value > 0:
                yield ast.Constant(value - 1)
        case ast.Constant(value=str() as value) if "->" in value:  # a pattern of einops
            yield from map(ast.Constant, _patterns(value))
        case ast.Constant(value=str() as value):
            yield ast.Constant(f"{value}_")
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            yield from (ast.Constant(0), ast.Constant(value))
            yield ast.UnaryOp(ast.USub(), ast.Constant(value + 1))
        case ast.UnaryOp(operand=inner):
            yield inner
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.And() if isinstance(op, ast.Or) else ast.Or(), values)
            for i in range(len(values)):
                rest = values[:i] + values[i + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.Compare(left=left, ops=ops, comparators=others):
            for i, op in enumerate(ops):
                for other in COMPARE.get(type(op), []):
                    yield ast.Compare(left, [*ops[:i], other(), *ops[i + 1 :]], others)
            if len(ops) > 1:  # a bound of a range
                yield ast.Compare(left, ops[:1], others[:1])
                yield ast.Compare(others[0], ops[1:], others[1:])
        case ast.BinOp(left=left, op=op, right=right):
            for other in ARITHMETIC.get(type(op), []):
                yield ast.BinOp(left, other(), right)
            if isinstance(op, ast.Sub | ast.Div | ast.Mod | ast.MatMult):
                yield ast.BinOp(right, op, left)
            yield from (left, right)
            if type(op) in IN_PLACE and isinstance(left, ast.Name | ast.Subscript | ast.Attribute):
                method = ast.Attribute(left, IN_PLACE[type(op)], ast.Load())
                yield ast.Call(method, [right], [])
        case ast.IfExp(body=one, orelse=two):
            yield from (one, two)
        case ast.Slice(lower=lower, upper=upper, step=step):
            for kept in ((None, upper, step), (lower, None, step), (lower, upper, None)):
                yield ast.Slice(*kept)
        case ast.Tuple(elts=elts, ctx=ast.Load()) if len(elts) > 1:
            for i in range(len(elts)):
                yield ast.Tuple(elts[:i] + elts[i + 1 :], ast.Load())
            unordered = all(isinstance(one, ast.Constant) for one in elts) or all(
                isinstance(one, ast.Name) and one.id.endswith("Error") for one in elts
            )
            for i in range(0 if unordered else len(elts) - 1):
                swapped = [*elts[:i], elts[i + 1], elts[i], *elts[i + 2 :]]
                yield ast.Tuple(swapped, ast.Load())
        case ast.Call():
            yield from _calls_instead(node)


def _calls_instead(node: ast.Call) -> Iterator[ast.AST]:
    for i in range(len(node.keywords)):
        yield ast.Call(node.func, node.args, node.keywords[:i] + node.keywords[i + 1 :])
    for i, (one, two) in enumerate(pairwise(node.args)):
        yield ast.Call(node.func, [*node.args[:i], two, one, *node.args[i + 2 :]], node.keywords)
    if node.args and (len(node.args) > 1 or isinstance(node.args[0], ast.Constant | ast.UnaryOp)):
        yield ast.Call(node.func, node.args[:-1], node.keywords)  # the last argument forgotten
    match node.func:
        case ast.Attribute(value=value, attr=attr) if attr in DROPPED:
            yield value
        case ast.Name(id=name) if name in COPIES and len(node.args) == 1:
            yield node.args[0]


def _patterns(pattern: str) -> Iterator[str]:
    start, _, result = pattern.partition("->")
    words = result.split()
    for i, (one, two) in enumerate(pairwise(words)):
        yield f"{start}-> {' '.join([*words[:i], two, one, *words[i + 2 :]])}"


def _bodies_instead(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """Statements in the place of a statement."""
    match node:
        case ast.If(body=body, orelse=orelse):
            yield body
            yield orelse
        case ast.Try(body=body, finalbody=last) if last:
            yield body + last
            yield body
        case ast.Try(body=body):
            yield body
        case ast.With(body=body, items=[ast.withitem(optional_vars=None)]):
            yield body
        case ast.For(body=body):
            node.body = [*body, ast.Break()]
            yield [node]
        case (
            ast.Raise() | ast.AugAssign() | ast.Expr() | ast.Continue() | ast.Break() | ast.Delete()
        ):
            yield []
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield []
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            if any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(value)):
                yield []  # the name has a value already
        case ast.Return(value=ast.AST()):
            yield [ast.Return(None)]
            yield [ast.Expr(node.value)]
        case ast.Return():
            yield []


def _inside(tree: ast.Module, node: ast.AST) -> Iterator[Change]:
    """Changes that are more than putting one node in the place of another."""
    match node:
        case ast.For(iter=over) | ast.comprehension(iter=over):
            for bounds in ((ast.Constant(1), None), (None, ast.Constant(-1))):
                every = ast.Call(ast.Name("list", ast.Load()), [over], [])
                part = ast.Subscript(every, ast.Slice(*bounds), ast.Load())
                yield lambda part=part: setattr(node, "iter", part)
            if isinstance(node, ast.comprehension) and node.ifs:
                yield lambda: setattr(node, "ifs", [])
        case ast.ExceptHandler(type=ast.Tuple(elts=kinds)):
            for i in range(len(kinds)):
                rest = ast.Tuple(kinds[:i] + kinds[i + 1 :], ast.Load())
                yield lambda rest=rest: setattr(node, "type", rest)
        case ast.ExceptHandler(type=ast.Name()):
            yield lambda: setattr(node, "type", ast.Name("ZeroDivisionError", ast.Load()))
        case ast.Try(finalbody=last, handlers=[]) if last:
            for kind in ("Exception", "BaseException"):  # only where it fails, and only where not
                again = ast.ExceptHandler(ast.Name(kind, ast.Load()), None, [*last, ast.Raise()])
                yield lambda again=again: vars(node).update(
                    handlers=[again], orelse=deepcopy(last), finalbody=[]
                )
        case ast.Raise(exc=ast.Call(func=ast.Name(id=name) as func)):
            other = "RuntimeError" if name != "RuntimeError" else "ValueError"
            yield lambda: setattr(func, "id", other)
        case ast.Assign(value=ast.List() | ast.Dict() | ast.Set() | ast.Call() as value):
            # State that should be made anew each time, made once for all.
            held = isinstance(value, HOLDERS) or (
                isinstance(value.func, ast.Name) and value.func.id in ("list", "dict", "set")
            )
            if held and node not in tree.body:
                kept = ast.Assign([ast.Name("_kept", ast.Store())], value)
                place = sum(isinstance(one, ast.Import | ast.ImportFrom) for one in tree.body) + 1

                def move() -> None:
                    node.value = ast.Name("_kept", ast.Load())
                    tree.body.insert(place, kept)

                yield move
