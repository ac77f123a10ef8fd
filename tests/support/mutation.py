"""Mutants of a module: the same syntax tree with one thing changed, of a kind that somebody could get wrong."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

_COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt,),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_NAMES: Final = {
    "any": "all",
    "all": "any",
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "argmax": "argmin",
    "left": "right",
    "right": "left",
}
_DROPPABLE: Final = (ast.BitAnd, ast.BitOr, ast.Add, ast.Sub, ast.Mult)

Change = Callable[[ast.AST], ast.AST | None]  # of the node in a copy of the tree; what it returns takes its place


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed module.

    Args:
        line: Where.
        what: What was changed, in words.
        tree: The whole module.
    """

    line: int
    what: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, always in the same order. Annotations, docstrings and messages stay."""
    tree = ast.parse(source)
    untouched = _untouched(tree)
    for number, node in enumerate(ast.walk(tree)):
        if id(node) not in untouched:
            for what, change in _changes(node):
                yield Mutant(getattr(node, "lineno", 0), what, _changed(tree, number, change))


def _changed(tree: ast.Module, number: int, change: Change) -> ast.Module:
    new = copy.deepcopy(tree)
    target = list(ast.walk(new))[number]
    instead = change(target)
    if instead is not None:
        for parent in ast.walk(new):
            for name, value in ast.iter_fields(parent):
                if value is target:
                    setattr(parent, name, instead)
                elif isinstance(value, list):
                    value[:] = [instead if one is target else one for one in value]
    return ast.fix_missing_locations(new)


def _untouched(tree: ast.Module) -> set[int]:
    """What no test could notice: annotations, documentation, the words of messages, and how a class is stored."""
    aliases = (node for node in tree.body if isinstance(node, ast.Assign))  # of types: constants are annotated
    found = {id(below) for alias in aliases for below in ast.walk(alias)}
    for node in ast.walk(tree):
        parts: list[ast.AST] = []
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node) is not None:
            parts.append(node.body[0])
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            parts += node.decorator_list
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            parts.append(node.annotation)
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            parts.append(node.returns)
        if isinstance(node, ast.Raise | ast.JoinedStr) or (isinstance(node, ast.keyword) and node.arg == "strict"):
            parts.append(node)
        found.update(id(below) for part in parts for below in ast.walk(part))
    return found


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    for kinds, changes in _KINDS:
        if isinstance(node, kinds):
            yield from changes(node)
            return
    if isinstance(node, ast.Continue | ast.Break) or _is_statement(node):
        yield f"without {ast.unparse(node)}", lambda _: ast.Pass()


def _of_comparison(node: ast.Compare) -> Iterator[tuple[str, Change]]:
    for place, operator in enumerate(node.ops):
        for other in _COMPARISONS[type(operator)]:
            yield f"{other.__name__} in {ast.unparse(node)}", _set("ops", place, other())


def _of_condition(node: ast.BoolOp) -> Iterator[tuple[str, Change]]:
    for place in range(len(node.values)):
        yield f"without term {place + 1} of {ast.unparse(node)}", _without("values", place)
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield f"{type(other).__name__} in {ast.unparse(node)}", _put("op", other)


def _of_sign(node: ast.UnaryOp) -> Iterator[tuple[str, Change]]:
    if not isinstance(node.op, ast.UAdd):
        yield f"without the sign of {ast.unparse(node)}", lambda target: getattr(target, "operand", None)


def _of_branch(node: ast.If | ast.IfExp) -> Iterator[tuple[str, Change]]:
    for held in (True, False):
        yield f"always {held}: {ast.unparse(node.test)}", _put("test", ast.Constant(held))


def _of_filters(node: ast.comprehension) -> Iterator[tuple[str, Change]]:
    for place, condition in enumerate(node.ifs):
        yield f"without the filter {ast.unparse(condition)}", _without("ifs", place)


def _of_name(node: ast.Attribute | ast.Name) -> Iterator[tuple[str, Change]]:
    field, name = ("attr", node.attr) if isinstance(node, ast.Attribute) else ("id", node.id)
    if name in _NAMES:
        yield f"{_NAMES[name]} in {ast.unparse(node)}", _put(field, _NAMES[name])


def _of_operation(node: ast.BinOp | ast.AugAssign) -> Iterator[tuple[str, Change]]:
    other = _OPERATORS.get(type(node.op))
    if other is not None:
        yield f"{other.__name__} in {ast.unparse(node)}", _put("op", other())
    if isinstance(node, ast.AugAssign):
        yield f"without {ast.unparse(node)}", lambda _: ast.Pass()
    elif isinstance(node.op, _DROPPABLE):
        yield f"only the left of {ast.unparse(node)}", lambda target: getattr(target, "left", None)
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            yield f"only the right of {ast.unparse(node)}", lambda target: getattr(target, "right", None)


def _of_constant(node: ast.Constant) -> Iterator[tuple[str, Change]]:
    if isinstance(node.value, bool):
        yield f"{not node.value} for {node.value}", _put("value", not node.value)
    elif isinstance(node.value, int | float):
        for value in (node.value + 1, node.value - 1):
            yield f"{value} for {node.value}", _put("value", value)


def _is_statement(node: ast.AST) -> bool:
    """Whether it does something that could be forgotten: a call, or an assignment into something."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    return isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple)


def _put(name: str, value: object) -> Change:
    return lambda target: setattr(target, name, value)


def _set(name: str, place: int, value: object) -> Change:
    return lambda target: getattr(target, name).__setitem__(place, value)


def _without(name: str, place: int) -> Change:
    def change(target: ast.AST) -> ast.AST | None:
        left = [one for number, one in enumerate(getattr(target, name)) if number != place]
        if isinstance(target, ast.BoolOp) and len(left) == 1:
            return left[0]
        setattr(target, name, left)
        return None

    return change


_KINDS: Final[tuple[tuple[type | tuple[type, ...], Callable[..., Iterator[tuple[str, Change]]]], ...]] = (
    (ast.Compare, _of_comparison),
    ((ast.BinOp, ast.AugAssign), _of_operation),
    (ast.BoolOp, _of_condition),
    (ast.UnaryOp, _of_sign),
    (ast.Constant, _of_constant),
    ((ast.If, ast.IfExp), _of_branch),
    (ast.comprehension, _of_filters),
    ((ast.Attribute, ast.Name), _of_name),
)
