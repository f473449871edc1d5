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
from core.samplers import dual_averaging
from core.samplers.contract import Step
from core.samplers.starts import mixed_start
from core.samplers.warm_up import warmed
from core.theories.phi4 import Phi4

Tensor = torch.Tensor

LARGEST = 2**16
"""Sites of a chain of pilots at most. Larger lattices take what was found on smaller ones, with a known scaling."""
VOLUME_POWER = {"hmc": 1 / 4, "mala": 1 / 3}
"""Step sizes at fixed acceptance fall as V^-this (Beskos, Pillai, Roberts, Sanz-Serna and Stuart, Bernoulli 19 (2013)
1501; Roberts and Rosenthal, J. R. Stat. Soc. B 60 (1998) 255). The other algorithms decide site by site, or not at all,
and do not depend on the volume."""

PILOTS = 32
"""Chains that tune the step size, the same ones whatever the size of the ensemble."""
FEWEST = 4
"""Pilots of a large lattice, which averages by itself."""
SITES = 2**17
"""Sites of all pilots together, unless that leaves fewer than four chains."""


def pilot_lattice(theory: Phi4) -> Phi4:
    """The lattice of the pilots: the longest extent is halved, to an even number, until at most 2^16 sites are left."""
    event = list(theory.event)
    while math.prod(event) > LARGEST:
        longest = event.index(max(event))
        event[longest] = 2 * math.ceil(event[longest] / 4)
    return theory if tuple(event) == theory.event else replace(theory, L=tuple(event))


def pilot_noise(noise: Noise) -> Noise:
    """The noise of the pilots that belong to a run with ``noise``."""
    return replace(noise.of("pilot"), first=0)


def pilot_fields(theory: Phi4, noise: Noise, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pilot chains (n, *event), from 4 to 32 of them, after the warm-up from the mixed ordered start."""
    return _pilot_fields(theory, pilot_noise(noise), dtype)


@lru_cache(maxsize=4)
def _pilot_fields(theory: Phi4, noise: Noise, dtype: torch.dtype) -> Tensor:
    chains = min(PILOTS, max(FEWEST, SITES // theory.volume))
    return warmed(theory, mixed_start(theory, chains, noise, dtype), noise.of("warm-up"))


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
        return info.mean_probability()

    return dual_averaging.tuned(acceptance_at, guess, acceptance)
