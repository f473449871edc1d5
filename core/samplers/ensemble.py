"""A lattice ensemble made on the spot: many chains from an ordered start, thermalised until they agree.

One configuration a chain, so the configurations are independent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from core.jobs import Token
from core.noise import Noise
from core.samplers import cluster, driver, hmc
from core.samplers.pilots import pilot_fields, pilot_noise
from core.samplers.starts import mixed_start
from core.samplers.warm_up import LENGTH, WARM_UP, warm_up_step
from core.statistics.lattice import magnetisation, phi_squared
from core.theories.phi4 import Phi4

Tensor = torch.Tensor

OBSERVABLES: driver.Observables = {"M": magnetisation, "phi2": phi_squared}
LOCAL_HALF_WIDTH = 1.5
"""Of the local proposals beside cluster updates: at L = 32, from the free field to κ = 0.5, 0.4 to 0.6 are accepted."""


@dataclass(frozen=True)
class Thermalisation:
    """The state of affairs after ``done`` of ``total`` trajectories.

    ``fields`` (chains, *event) are the configurations now; ``magnetisation`` and ``phi_squared`` (chains, done) the
    history of M and of the site average of φ² of every chain; ``acceptance`` that of the trajectories since the last
    report; ``step_size`` and ``steps`` those of the leapfrog. For cluster updates, a trajectory is one of them with its
    local sweep, ``step_size`` the half-width of the local proposals and ``steps`` 1.
    """

    done: int
    total: int
    fields: Tensor
    magnetisation: np.ndarray
    phi_squared: np.ndarray
    acceptance: float
    step_size: float
    steps: int

    @property
    def finished(self) -> bool:
        """Whether this is the last report."""
        return self.done == self.total

    def drift(self) -> float:
        """Change of ⟨φ²⟩ and of ⟨|M|⟩ between the third and the last quarter of the history, in standard errors.

        The larger of the two, from the spread over chains; well above 3 while the chains still move as a body.
        """
        quarter = self.done // 4
        if quarter < 1:
            return math.inf
        largest = 0.0
        for history in (self.phi_squared, np.abs(self.magnetisation)):
            change = history[:, -quarter:].mean(1) - history[:, -2 * quarter : -quarter].mean(1)
            error = change.std(ddof=1) / math.sqrt(len(change))
            largest = max(largest, abs(float(change.mean())) / max(float(error), 1e-300))
        return largest


def thermalise(
    theory: Phi4,
    chains: int,
    noise: Noise,
    trajectories: int = 300,
    every: int = 20,
    dtype: torch.dtype = torch.float32,
    token: Token | None = None,
) -> Iterator[Thermalisation]:
    """HMC with sign flips from the mixed ordered start; a report after each ``every`` trajectories, the last complete.

    Chain i is the same whatever the number of chains. Raises Cancelled once ``token`` is cancelled, ValueError for
    fewer than two chains or one trajectory.
    """
    if chains < 2:
        raise ValueError(f"chains must be at least 2, got {chains}")
    step_size = tuned_step_size(theory, noise, dtype)
    warm = hmc.init(theory, mixed_start(theory, chains, noise, dtype), warm_up_step(theory), LENGTH, flip=True)
    history: list[driver.Frame] = []

    def run(state: hmc.HmcState, count: int) -> Iterator[Thermalisation]:
        for frame in driver.frames(state, hmc.step, noise, count, every, OBSERVABLES, token=token):
            history.append(frame)
            yield _report(history, trajectories, frame.state.steps)

    yield from run(replace(warm, metropolis=False), min(WARM_UP, trajectories))
    if trajectories > WARM_UP:
        cruising = hmc.init(theory, warm.x, step_size, LENGTH, flip=True)
        last = history[-1].state
        yield from run(replace(cruising, x=last.x, count=last.count, clock=last.clock), trajectories - WARM_UP)


def thermalise_by_clusters(
    theory: Phi4,
    chains: int,
    noise: Noise,
    updates: int = 100,
    every: int = 10,
    dtype: torch.dtype = torch.float32,
    token: Token | None = None,
) -> Iterator[Thermalisation]:
    """Wolff's cluster updates with local sweeps, from the mixed ordered start; reports and errors as of ``thermalise``.

    The quickest way into equilibrium near the critical point, where HMC needs a time that grows with the lattice.
    Extents must be even.
    """
    if chains < 2:
        raise ValueError(f"chains must be at least 2, got {chains}")
    start = cluster.init(theory, mixed_start(theory, chains, noise, dtype), LOCAL_HALF_WIDTH)
    history: list[driver.Frame] = []
    for frame in driver.frames(start, cluster.step, noise, updates, every, OBSERVABLES, token=token):
        history.append(frame)
        yield _report(history, updates, 1)


def _report(history: list[driver.Frame], total: int, steps: int) -> Thermalisation:
    last, so_far = history[-1], driver.join(history)
    return Thermalisation(
        len(so_far.clock), total, last.state.x, so_far.series["M"], so_far.series["phi2"], last.acceptance,
        last.state.step_size, steps,
    )  # fmt: skip


def tuned_step_size(theory: Phi4, noise: Noise, dtype: torch.dtype = torch.float32) -> float:
    """Leapfrog step that accepts about four trajectories in five, found with a few pilot chains in equilibrium."""
    pilots = hmc.init(theory, pilot_fields(theory, noise, dtype), warm_up_step(theory), LENGTH, flip=True)
    return hmc.tuned_step_size(pilots, pilot_noise(noise))
