"""Text typed by a person to a sympy expression in x, by way of Python's grammar and a whitelist.

The text is parsed, never evaluated: only numbers, x, pi, e, + - * / ^ ** and the functions below build an expression,
and everything else is refused with a sentence that says what is wrong.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sympy

FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "sin": math.sin,
    "cos": math.cos,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "atan": math.atan,
    "abs": abs,
}
CONSTANTS = {"pi": math.pi, "e": math.e}
LONGEST = 200
DEEPEST = 30
LARGEST_POWER = 20
LARGEST_DEGREE = 64
LARGEST_NUMBER = 1e12

_ALLOWED = f"x, numbers, pi, e, + - * / ^ ( ) and {', '.join(FUNCTIONS)}"
_CHARACTERS = re.compile(r"[0-9A-Za-z_.+\-*/^() \t]*")


class _Term(NamedTuple):
    """A subexpression, its value if it does not depend on x, and a bound on the powers of x in it."""

    expression: sympy.Expr
    value: float | None
    degree: float


def parse(text: str) -> sympy.Expr:
    """The sympy expression in ``sympy.Symbol('x', real=True)`` that the text spells.

    Raises ValueError, with a sentence for the person who typed it, for anything that is not such an expression or
    is too long, too deeply nested, or of too high a power.
    """
    import sympy  # costs most of a second, and few people type a potential

    if not isinstance(text, str):
        raise ValueError(f"a potential is a text such as x^2/2, got {text!r}")
    text = text.strip()
    if not text:
        raise ValueError("the potential is empty; type a function of x such as x^2/2 + x^4/24")
    if len(text) > LONGEST:
        raise ValueError(f"the potential has {len(text)} characters, at most {LONGEST} are allowed")
    if not _CHARACTERS.fullmatch(text):
        wrong = _CHARACTERS.sub("", text)[0]
        raise ValueError(f"the potential may contain {_ALLOWED}, got {wrong!r}")
    try:
        tree = ast.parse(text.replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"the potential {text!r} cannot be read; it may contain {_ALLOWED}, and products need a *, as in 2*x"
        ) from None
    expression = _build(tree, 0).expression
    if expression.has(sympy.zoo, sympy.nan, sympy.oo, sympy.I):
        raise ValueError(f"the potential {text!r} is not a finite real number")
    return expression


def _build(node: ast.expr, depth: int) -> _Term:
    if depth > DEEPEST:
        raise ValueError(f"the potential is nested more than {DEEPEST} deep")
    if isinstance(node, ast.Constant):
        return _number(node.value)
    if isinstance(node, ast.Name):
        return _name(node.id)
    if isinstance(node, ast.Call):
        return _call(node, depth)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _build(node.operand, depth + 1)
        return inner if isinstance(node.op, ast.UAdd) else _product(_number(-1), inner)
    if isinstance(node, ast.BinOp):
        left, right = _build(node.left, depth), _build(node.right, depth + 1)  # a long sum is not deep
        if isinstance(node.op, ast.Add):
            return _sum(left, right)
        if isinstance(node.op, ast.Sub):
            return _sum(left, _product(_number(-1), right))
        if isinstance(node.op, ast.Mult):
            return _product(left, right)
        if isinstance(node.op, ast.Div):
            return _product(left, _power(right, _number(-1)))
        if isinstance(node.op, ast.Pow):
            return _power(left, right)
    raise ValueError(f"the potential may contain {_ALLOWED}, got {ast.unparse(node)!r}")


def _number(value: object) -> _Term:
    import sympy

    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"the potential may contain {_ALLOWED}, got {value!r}")
    if not (value == 0 or 1 / LARGEST_NUMBER <= abs(value) <= LARGEST_NUMBER):
        raise ValueError(f"numbers in the potential must be 0 or between {1 / LARGEST_NUMBER:g} and {LARGEST_NUMBER:g}")
    exact = Fraction(repr(value))  # 0.1 as one tenth
    return _Term(sympy.Rational(exact.numerator, exact.denominator), float(value), 0)


def _name(name: str) -> _Term:
    import sympy

    if name == "x":
        return _Term(sympy.Symbol("x", real=True), None, 1)
    if name in CONSTANTS:
        return _Term(sympy.pi if name == "pi" else sympy.E, CONSTANTS[name], 0)
    hint = f"; {name} needs an argument in brackets" if name in FUNCTIONS else ""
    raise ValueError(f"unknown name {name!r} in the potential{hint}; it may contain {_ALLOWED}")


def _call(node: ast.Call, depth: int) -> _Term:
    import sympy

    if not isinstance(node.func, ast.Name):
        raise ValueError(f"the potential may contain {_ALLOWED}; products need a *, as in 2*(x + 1)")
    name = node.func.id
    if name not in FUNCTIONS:
        hint = "; products need a *, as in x*(x + 1)" if name == "x" or name in CONSTANTS else ""
        raise ValueError(f"unknown function {name!r} in the potential{hint}; it may contain {_ALLOWED}")
    if len(node.args) != 1 or node.keywords:
        raise ValueError(f"{name} takes one argument, as in {name}(x)")
    argument = _build(node.args[0], depth + 1)
    function = sympy.Abs if name == "abs" else getattr(sympy, name)
    return _checked(function, [argument], lambda v: FUNCTIONS[name](v), max(argument.degree, 1))


def _sum(a: _Term, b: _Term) -> _Term:
    return _checked(lambda p, q: p + q, [a, b], lambda v, w: v + w, max(a.degree, b.degree))


def _product(a: _Term, b: _Term) -> _Term:
    return _checked(lambda p, q: p * q, [a, b], lambda v, w: v * w, a.degree + b.degree)


def _power(base: _Term, exponent: _Term) -> _Term:
    if exponent.value is None or abs(exponent.value) > LARGEST_POWER:
        raise ValueError(f"exponents in the potential must be numbers between -{LARGEST_POWER} and {LARGEST_POWER}")
    return _checked(
        lambda p, q: p**q, [base, exponent], lambda v, w: math.pow(v, w), base.degree * max(abs(exponent.value), 1)
    )


def _checked(build: Callable, terms: list[_Term], calculate: Callable[..., float], degree: float) -> _Term:
    """Combine terms; what is constant is first worked out in floating point, so that nothing explodes symbolically."""
    if degree > LARGEST_DEGREE:
        raise ValueError(f"powers of x in the potential must not exceed {LARGEST_DEGREE}")
    values = [t.value for t in terms]
    value = None
    if None not in values:
        try:
            value = float(calculate(*values))
        except (ValueError, OverflowError, ZeroDivisionError):
            value = math.nan
        if not abs(value) < LARGEST_NUMBER**4:
            raise ValueError("a constant in the potential is not a finite real number of reasonable size")
    return _Term(build(*(t.expression for t in terms)), value, degree)
