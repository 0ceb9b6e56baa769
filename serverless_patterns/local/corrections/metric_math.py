"""Metric math, as far as the alarms of patterns use it; no correction, but part of one.

Arithmetic and comparisons take a missing value for 0, a division by zero gives nothing, and where no metric has a value there
is none of the expression. ``FILL`` has a value always.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping

Value = float | None
Operation = Callable[[float, float], float]

ARITHMETIC: dict[type[ast.operator], Operation] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
COMPARISONS: dict[type[ast.cmpop], Operation] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def evaluate(expression: str, values: Mapping[str, Value]) -> Value:
    """The value of an expression where its metrics have these, each by its id; ``None`` is no value.

    Raises:
        ValueError: The expression has something that is not known here.
    """
    python = re.sub(r"\b(AND|OR)\b", lambda word: word[0].lower(), expression)
    tree = ast.parse(python, mode="eval").body
    needed = _unfilled(tree)
    if needed and all(values[name] is None for name in needed):
        return None
    try:
        return _value(tree, values)
    except ZeroDivisionError:
        return None


def _unfilled(node: ast.AST) -> list[str]:
    """The metrics outside of every ``FILL``."""
    match node:
        case ast.Call(func=ast.Name(id="FILL")):
            return []
        case ast.Call(args=arguments):
            return [name for argument in arguments for name in _unfilled(argument)]
        case ast.Name(id=name):
            return [name]
    return [name for child in ast.iter_child_nodes(node) for name in _unfilled(child)]


def _value(node: ast.AST, values: Mapping[str, Value]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return values[name] or 0.0
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in ARITHMETIC:
            return ARITHMETIC[type(sign)](_value(left, values), _value(right, values))
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in COMPARISONS:
            return float(COMPARISONS[type(sign)](_value(left, values), _value(right, values)))
        case ast.BoolOp(op=word, values=parts):
            every = all if isinstance(word, ast.And) else any
            return float(every([_value(part, values) for part in parts]))
        case ast.Call():
            return _called(node, values)
    raise _unknown(node)


def _called(call: ast.Call, values: Mapping[str, Value]) -> float:
    match call:
        case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
            return _value(then if _value(condition, values) else otherwise, values)
        case ast.Call(func=ast.Name(id="FILL"), args=[ast.Name(id=name), filler]):
            known = values[name]
            return _value(filler, values) if known is None else known
    raise _unknown(call)


def _unknown(node: ast.AST) -> ValueError:
    return ValueError(f"metric math is not known here: {ast.unparse(node)}")
