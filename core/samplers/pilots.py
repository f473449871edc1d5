"""A few chains in equilibrium on which everything automatic is decided, the same ones for every run.

What they decide depends on the theory, the seed and the precision alone, so chain i of a run is the same whatever the
number of chains.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch

from core.noise import Noise
from core.samplers import driver, dual_averaging, hmc
from core.samplers.contract import Info, Step
from core.samplers.starts import mixed_start
from core.theories.phi4 import Phi4

Tensor = torch.Tensor

PILOTS = 32
"""Chains that tune the step size, the same ones whatever the size of the ensemble."""
FEWEST = 4
"""Pilots of a large lattice, which averages by itself."""
SITES = 2**17
"""Sites of all pilots together, unless that leaves fewer than four chains."""
WARM_UP = 30
"""Trajectories at the start that are always accepted: a field that moves as a body makes a large energy error."""
LENGTH = 4.0
"""Mean length of a trajectory of the warm-up."""


def pilot_noise(noise: Noise) -> Noise:
    """The noise of the pilots that belong to a run with ``noise``."""
    return replace(noise.of("pilot"), first=0)


def pilot_fields(theory: Phi4, noise: Noise, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pilot chains (n, *event), from 4 to 32 of them, after 30 HMC trajectories from the mixed ordered start."""
    return _pilot_fields(theory, pilot_noise(noise), dtype)


@lru_cache(maxsize=4)
def _pilot_fields(theory: Phi4, noise: Noise, dtype: torch.dtype) -> Tensor:
    chains = min(PILOTS, max(FEWEST, SITES // theory.volume))
    state = hmc.init(theory, mixed_start(theory, chains, noise, dtype), warm_up_step(theory), LENGTH, flip=True)
    for frame in driver.frames(replace(state, metropolis=False), hmc.step, noise.of("warm-up"), WARM_UP):
        state = frame.state
    return state.x


def warm_up_step(theory: Phi4) -> float:
    """Leapfrog step of the warm-up: an eighth of the stability limit 2/ω in the steepest part of the action.

    ``ω² = 2|1-2λ| + 4dκ + 12λ φ²`` is taken 0.6 outside the classical minimum, which fluctuations seldom pass.
    """
    outside = theory.classical_minimum + 0.6
    curvature = 2 * abs(1 - 2 * theory.lam) + 4 * theory.d * theory.kappa + 12 * theory.lam * outside**2
    return min(0.1, 0.25 / math.sqrt(curvature))


def tuned_step_size(
    start: Callable[[Tensor, float], Any], step: Step, x: Tensor, guess: float, acceptance: float, noise: Noise
) -> float:
    """Step size at which ``start(x, step_size)`` is accepted with probability ``acceptance``, by dual averaging.

    The pilots ``x`` move on while it is sought. Raises what ``start`` raises.
    """
    count = 0

    def acceptance_at(step_size: float) -> float:
        nonlocal x, count
        state, info = step(replace(start(x, step_size), count=count), noise)
        x, count = state.x, count + 1
        return _rate(info)

    return dual_averaging.tuned(acceptance_at, guess, acceptance)


def _rate(info: Info) -> float:
    """Mean probability of acceptance in one step."""
    if info.log_ratio is not None:
        return float(torch.exp(info.log_ratio.clamp(max=0)).nan_to_num(0.0).mean())
    rate = getattr(info, "rate", None)
    if rate is None:
        rate = info.accepted
    assert rate is not None
    return float(rate.double().mean())
