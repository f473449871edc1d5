"""What the commands about ensembles of lattice fields share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.theories.phi4 import Phi4


def theory_maker(kappa: float | None, lam: float | None) -> Callable[[tuple[int, ...]], Phi4]:
    """Makes the theory once an array has told the shape of a configuration. ValueError where a coupling is missing."""
    if kappa is None or lam is None:
        raise ValueError("an array does not say what theory it belongs to: give --kappa and --lam")
    from core.theories.phi4 import Phi4

    return lambda shape: Phi4(tuple(int(n) for n in shape), kappa, lam)


def theory_in_words(theory: Phi4) -> str:
    """A heading: "φ⁴ on 32 × 32, κ = 0.27, λ = 0.022"."""
    return f"φ⁴ on {' × '.join(str(n) for n in theory.event)}, κ = {theory.kappa:g}, λ = {theory.lam:g}"


def finite(number: float) -> float | None:
    """A number as JSON has it: None for nan and infinities."""
    return float(number) if math.isfinite(number) else None
