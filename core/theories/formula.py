"""A target whose action a person types as a formula in x."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.theories.expression import LARGEST_POWER, parse
from core.theories.potential import Potential


@dataclass(frozen=True)
class Formula(Potential):
    """``P_0 = exp(-S)/Z`` with S(x) given as text, such as ``x^4/4 - x^2 + cos(3*x)``.

    Raises ValueError with a sentence for the person who typed it, where the text is not a formula in x (see
    ``core.theories.expression.parse``), or exp(-S) cannot be normalised: S falls to minus infinity or grows too slowly
    for moments to order 8, is not a real number everywhere, or has more structure than can be integrated.
    """

    text: str = "x^2/2 + 2*cos(3*x)"
    name: str = "formula"

    def __post_init__(self) -> None:
        _compiled(self.text)
        object.__setattr__(self, "text", self.text.strip())
        _ = self.law

    def action_at(self, x: np.ndarray) -> np.ndarray:
        return _compiled(self.text)[0](x)

    def force_at(self, x: np.ndarray) -> np.ndarray:
        return _compiled(self.text)[1](x)

    def latex(self) -> str:
        return _compiled(self.text)[2]


_BESIDE = 1e-8
Function = Callable[[np.ndarray], np.ndarray]


@lru_cache(maxsize=64)
def _compiled(text: str) -> tuple[Function, Function, str]:
    """S and -S' as functions of an array, and S as LaTeX."""
    import sympy

    expression = parse(text)
    x = sympy.Symbol("x", real=True)
    force = -sympy.diff(expression, x)
    return _function(expression, x), _function(force, x), "S(x) = " + sympy.latex(expression)


def _function(expression, x) -> Function:
    import sympy
    from sympy.codegen.rewriting import create_expand_pow_optimization

    # Whole powers of x as products, as numpy's power is ten times slower. Not with cse=True: sympy 1.14 then turns
    # -2*x*abs(x) - x*x*sign(x) into wrong code.
    products = create_expand_pow_optimization(LARGEST_POWER)(expression)
    compiled = sympy.lambdify(x, products, modules="numpy")

    def evaluate(values: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            result = np.array(np.broadcast_to(compiled(values), np.shape(values)), dtype=float)
            undefined = np.isnan(result)
            if np.any(undefined):  # a removable singularity such as sin(x)/x at 0: look beside it
                result = np.where(undefined, compiled(values + _BESIDE), result)
        return result

    return evaluate
