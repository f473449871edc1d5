"""The health of a simulation while it runs: what is known of it between two blocks, and what that means.

`signs` copies what is needed and is quick, so that the simulation need not wait; `examine` compares and tests it, in
any other thread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.noise import Noise
from core.samplers import hmc
from core.samplers.algorithms import find
from core.samplers.simulation import Simulation
from core.statistics.errors import Measured
from core.statistics.health import FEWEST_DRAWS, Check, boltzmann_average, health, thermalised
from core.statistics.running import RunningStatistics
from core.statistics.walls import walls
from core.theories.phi4 import Phi4


@dataclass(frozen=True, eq=False)
class Signs:
    """What is known of a simulation at one moment.

    ``state`` of the sampler; of the kept steps without the beginning M and V⁻¹ Σ φ² ``m`` and ``phi2``, (chains,
    steps), ``log_ratios`` = -ΔH (chains, steps with a decision) and the mean ``acceptance``; ``size`` is ⟨|M|⟩ from
    ``steps`` of every chain, which may be more; then ``blocks`` are means of |M| and φ² over blocks of all of them,
    (chains, blocks), else None.
    """

    theory: Phi4
    algorithm: str
    state: Any
    m: np.ndarray
    phi2: np.ndarray
    log_ratios: np.ndarray
    acceptance: float
    size: Measured
    steps: int
    blocks: dict[str, np.ndarray] | None = None


def signs(simulation: Simulation) -> Signs | None:
    """The signs now, between two blocks; None before the first step."""

    def look(statistics: RunningStatistics) -> Signs | None:
        if not statistics.steps:
            return None
        m, phi2 = statistics.settled("m"), statistics.settled("phi2")
        rates = statistics.decisions(m.shape[1])[1]
        rates = rates[np.isfinite(rates)]
        size, steps = statistics.average("abs_m"), statistics.steps - statistics.steps // 4
        blocks = None
        if steps > m.shape[1]:
            blocks = {"|M|": statistics.in_blocks("abs_m"), "φ²": statistics.in_blocks("phi2")}
        return Signs(
            statistics.theory, simulation.algorithm, simulation.state, m, phi2, statistics.log_ratios(),
            float(rates.mean()) if rates.size else math.nan, Measured(size.mean, size.error, size.tau, size.tau_error),
            steps, blocks,
        )  # fmt: skip

    return simulation.observe(look)


def examine(seen: Signs, reversibility: float | None = None) -> list[Check]:
    """The card (see `core.statistics.health`) for these signs; ``reversibility`` as `reversibility_of` found it."""
    enough = seen.log_ratios.shape[1] >= FEWEST_DRAWS
    checks = health(
        seen.m, seen.phi2, acceptance=seen.acceptance,
        boltzmann=boltzmann_average(seen.log_ratios) if enough else None, reversibility=reversibility,
        walls=float(walls(seen.theory, seen.state.x.numpy()).mean()), unit=find(seen.algorithm).unit,
        longer=(seen.size, seen.steps),
    )  # fmt: skip
    if seen.blocks is not None:  # a long run is compared over all of its length, and not only where it is kept in full
        checks[0] = thermalised(seen.blocks)
    return checks


def reversibility_of(seen: Signs, noise: Noise) -> float | None:
    """Largest |Δφ| after a trajectory there and back, on a copy of the first chain; None without trajectories."""
    if not isinstance(seen.state, hmc.HmcState):
        return None
    return hmc.reversibility_error(replace(seen.state, x=seen.state.x[:1].clone()), noise)
