"""The way from a start into equilibrium for fields that move as a body: HMC that accepts every trajectory.

Far from equilibrium all sites fall towards it together, and the energy error of a trajectory is the sum of theirs:
with a Metropolis decision a chain might be refused for ever.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from core.jobs import Token
from core.noise import Noise
from core.samplers import driver, hmc
from core.theories.phi4 import Phi4

Tensor = torch.Tensor

WARM_UP = 30
"""Trajectories of a warm-up."""
LENGTH = 4.0
"""Their mean length."""


def warmed(theory: Phi4, x: Tensor, noise: Noise, token: Token | None = None) -> Tensor:
    """``x`` (chains, *event) after WARM_UP trajectories and random signs. Raises Cancelled once ``token`` is."""
    state = replace(hmc.init(theory, x, warm_up_step(theory), LENGTH, flip=True), metropolis=False)
    for frame in driver.frames(state, hmc.step, noise, WARM_UP, token=token):
        state = frame.state
    return state.x


def warm_up_step(theory: Phi4) -> float:
    """Leapfrog step of the warm-up: an eighth of the stability limit 2/ω in the steepest part of the action.

    ``ω² = 2|1-2λ| + 4dκ + 12λ φ²`` is taken 0.6 outside the classical minimum, which fluctuations seldom pass.
    """
    outside = theory.classical_minimum + 0.6
    curvature = 2 * abs(1 - 2 * theory.lam) + 4 * theory.d * theory.kappa + 12 * theory.lam * outside**2
    return min(0.1, 0.25 / math.sqrt(curvature))
