"""Conditions over columns and signals, as recipes write them: `gopher_quality.words >= 50 and quality.score > 0.3`.

The expression is read by Python's parser, never run by it: names, numbers, words in quotes, comparisons, `and`,
`or`, `not`, `in [...]`, + - * / and parentheses are all there is, and anything else is refused when the recipe
loads.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: pc.add,
    ast.Sub: pc.subtract,
    ast.Mult: pc.multiply,
    ast.Div: lambda left, right: pc.divide(pc.cast(left, pa.float64()), pc.cast(right, pa.float64())),
}
_ALLOWED = (
    "signals such as gopher_quality.words, numbers, quoted words, < <= > >= == !=, in [...], and, or, not, + - * /"
)


def parse(rule: str) -> ast.expr:
    """The expression's tree. ValueError, with the place and what is allowed, if it is more than a rule may be."""
    try:
        tree = ast.parse(rule.strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:
        place = f" at character {error.offset}" if isinstance(error, SyntaxError) else ""
        raise ValueError(f"the rule {rule!r} cannot be read{place}; it may have {_ALLOWED}") from error
    _check(tree, rule)
    if not _is_condition(tree):
        raise ValueError(f"the rule {rule!r} is no condition; compare it with something, such as `{rule} > 0`")
    return tree


def signals_of(tree: ast.expr) -> list[str]:
    """The dotted names in the expression, in order, each once."""
    names: list[str] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Attribute | ast.Name):
            names.append(ast.unparse(node))
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return list(dict.fromkeys(names))


def _check(node: ast.AST, rule: str) -> None:
    match node:
        case ast.BoolOp(values=values):
            children: Sequence[ast.AST] = values
            for value in values:
                if not _is_condition(value):
                    raise ValueError(
                        f"the rule {rule!r} joins {ast.unparse(value)!r}, which is no condition; compare it with "
                        "something"
                    )
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            children = [operand]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            children = [left, right]
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            children = [left]
            for operator, right in zip(ops, comparators, strict=True):
                if isinstance(operator, ast.In | ast.NotIn):
                    if not isinstance(right, ast.List | ast.Tuple) or not all(
                        isinstance(item, ast.Constant) for item in right.elts
                    ):
                        raise ValueError(f"the rule {rule!r}: after `in` comes a list, such as ['en', 'de']")
                elif type(operator) in _COMPARE:
                    children.append(right)
                else:
                    raise ValueError(f"the rule {rule!r} has `{ast.unparse(node)}`; it may have {_ALLOWED}")
        case ast.Attribute(value=ast.Name() | ast.Attribute() as value):
            children = [value]
        case ast.Name():
            children = []
        case ast.Constant(value=bool() | int() | float() | str()):
            children = []
        case _:
            raise ValueError(f"the rule {rule!r} has `{ast.unparse(node)}`; it may have {_ALLOWED}")
    for child in children:
        _check(child, rule)


def _is_condition(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not) and _is_condition(node.operand)
    return isinstance(node, ast.BoolOp | ast.Compare | ast.Attribute | ast.Name) or (
        isinstance(node, ast.Constant) and isinstance(node.value, bool)
    )


def evaluate(node: ast.expr, batch: pa.RecordBatch) -> Any:
    """The expression's value for each row: an array, or a scalar where it names no signal."""
    match node:
        case ast.Constant():
            return pa.scalar(node.value)
        case ast.Name() | ast.Attribute():
            return signal(batch, ast.unparse(node))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return pc.invert(evaluate(operand, batch))
        case ast.UnaryOp(operand=operand):
            return pc.negate(evaluate(operand, batch))
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](evaluate(left, batch), evaluate(right, batch))
        case ast.BoolOp(op=op, values=values):
            join = pc.and_kleene if isinstance(op, ast.And) else pc.or_kleene
            result = evaluate(values[0], batch)
            for value in values[1:]:
                result = join(result, evaluate(value, batch))
            return result
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            result, value = None, evaluate(left, batch)
            for operator, right in zip(ops, comparators, strict=True):
                if isinstance(operator, ast.In | ast.NotIn):
                    items = pa.array([cast(ast.Constant, item).value for item in cast(ast.List, right).elts])
                    among = pc.is_in(value, value_set=items.cast(value.type))
                    one = pc.if_else(pc.is_null(value), None, among)
                    one = pc.invert(one) if isinstance(operator, ast.NotIn) else one
                else:
                    other = evaluate(right, batch)
                    one, value = _COMPARE[type(operator)](value, other), other
                result = one if result is None else pc.and_kleene(result, one)
            return result
    raise TypeError(f"{ast.unparse(node)} cannot be evaluated")


def signal(batch: pa.RecordBatch, name: str) -> pa.Array:
    """The column, or the field of a struct column, that a dotted name means. KeyError if there is none."""
    column, *fields = name.split(".")
    if column not in batch.schema.names:
        raise KeyError(f"there is no column {column!r}; there are: {', '.join(batch.schema.names)}")
    values = batch.column(column)
    for field in fields:
        names = (
            [values.type.field(i).name for i in range(values.type.num_fields)]
            if pa.types.is_struct(values.type)
            else []
        )
        if field not in names:
            raise KeyError(f"there is no signal {name!r}; {column} has: {', '.join(names) or 'no fields'}")
        values = pc.struct_field(values, field)
    return values


@dataclasses.dataclass(frozen=True)
class Condition:
    """An expression that is true, false or open (null, where a signal is) for each row. ValueError if the rule is
    none."""

    rule: str
    tree: ast.expr = dataclasses.field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", parse(self.rule))

    @property
    def names(self) -> tuple[str, ...]:
        """Columns and signals that it reads, dotted."""
        return tuple(signals_of(self.tree))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads, each once."""
        return tuple(dict.fromkeys(name.split(".")[0] for name in self.names))

    @property
    def signals(self) -> tuple[str, ...]:
        """Those of the names that are fields of a column."""
        return tuple(name for name in self.names if "." in name)

    def answers(self, batch: pa.RecordBatch) -> pa.Array:
        """A boolean for each row, null where it is open."""
        answer = evaluate(self.tree, batch)
        if isinstance(answer, pa.Scalar):
            return pa.array([answer.as_py()] * batch.num_rows, pa.bool_())
        return answer.combine_chunks() if isinstance(answer, pa.ChunkedArray) else answer
