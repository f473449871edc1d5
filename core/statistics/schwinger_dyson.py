"""The Schwinger–Dyson equation ⟨φ_x ∂S/∂φ_x⟩ = 1: a check of the action, the couplings and the step size.

It is local: every site tests its own neighbourhood. A field with domain walls passes, so it says **nothing** about
thermalisation; it fails for wrong couplings, for a sampler of another action and for the bias of Langevin's step size.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from core.statistics.errors import ROUNDING, Measured, mean
from core.theories.phi4 import Phi4


class SchwingerDyson(NamedTuple):
    """⟨φ ∂S/∂φ⟩ per site, which must be 1, and its ``deviation`` from 1 in standard errors.

    The deviation is nan where no error is known, 0 or infinite where the error is 0 or mere rounding.
    """

    measured: Measured
    deviation: float


def left_hand_side(theory: Phi4, phi2: np.ndarray, phi4: np.ndarray, link: np.ndarray) -> np.ndarray:
    """2(1-2λ) φ² + 4λ φ⁴ - 2κ φ Σ_nn φ of each configuration, per site.

    ``phi2`` and ``phi4`` are V⁻¹ Σ φ² and V⁻¹ Σ φ⁴, ``link`` is V⁻¹ Σ_x Σ_μ φ_x φ_{x+μ}, half the sum over all 2d
    neighbours.
    """
    return 2 * (1 - 2 * theory.lam) * phi2 + 4 * theory.lam * phi4 - 4 * theory.kappa * link


def schwinger_dyson(series: np.ndarray, independent: bool = False) -> SchwingerDyson:
    """The check for a ``series`` (chains, draws) of ``left_hand_side``."""
    measured = mean(series, independent)
    excess = measured.value - 1
    if measured.error < ROUNDING:  # nothing fluctuates
        return SchwingerDyson(measured, math.copysign(math.inf, excess) if abs(excess) > ROUNDING else 0.0)
    return SchwingerDyson(measured, excess / measured.error)
