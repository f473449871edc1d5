"""What two processes that run side by side show on one clock, and how it comes from averages over their fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.samplers import driver
from core.statistics.errors import Measured, block_length, cut, jackknifed, mean
from core.statistics.jackknife import Estimate, jackknife
from core.statistics.lattice import abs_magnetisation, action_density, phi_squared
from core.theories.phi4 import Phi4

NAMES = ("phi2", "abs_m", "action", "kappa4_ratio")
"""⟨φ²⟩, ⟨|M|⟩, ⟨S⟩/V and κ4/κ2², by their names in ``core.statistics.measure``."""
LEAST = 8
"""Fewest fields that errors can come from."""
BLOCKS = 64


@dataclass(frozen=True, eq=False, kw_only=True)
class Track:
    """What one of the two shows while the clock runs: F records in order.

    ``evaluations`` (F,) and ``seconds`` (F,) are the clock. ``observables`` (F, 4) are those of NAMES at the moment,
    averaged over the fields, ``drift`` (F,) is √(⟨K²⟩/V) or √(⟨s²⟩/V). ``fields`` (G, shown, *event) float32 belong to
    the records ``shown_at`` (G,). ``estimate`` (H, 4) is the best estimate by the time of the records ``estimated_at``
    (H,), the last of them the result.
    """

    evaluations: np.ndarray
    seconds: np.ndarray
    observables: Estimate
    drift: np.ndarray
    fields: np.ndarray
    shown_at: np.ndarray
    estimate: Estimate
    estimated_at: np.ndarray

    @property
    def result(self) -> Estimate:
        """The last estimate, (4,)."""
        return Estimate(self.estimate.value[-1], self.estimate.error[-1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Quantisation(Track):
    """The Langevin chains. An estimate averages over the later half of the time so far; its error is the spread over
    chains, which are independent.

    ``tau`` has the autocorrelation times of |M| and φ² in the later half, in steps: ``abs_m`` and ``phi2``.
    ``change`` is how far ⟨φ²⟩ or ⟨|M|⟩ moved from the third to the last quarter, in standard errors.
    """

    epsilon: float
    tau: dict[str, Measured]
    change: float

    @property
    def settled(self) -> bool:
        """Whether the chains no longer move as a body, as far as one can tell."""
        return self.change < 4

    @property
    def slowest(self) -> Measured:
        """The longer of the autocorrelation times."""
        return max(self.tau.values(), key=lambda tau: tau.tau_int)

    def independent(self, n: int) -> float:
        """How many independent configurations the later half of ``n`` chains is worth, n at the least."""
        return max(float(n), n * self.evaluations[-1] / 2 / (2 * self.slowest.tau_int))


@dataclass(frozen=True, eq=False, kw_only=True)
class Runs(Track):
    """Runs of the diffusion process one after the other. An estimate takes all that have ended.

    ``run`` and ``step`` (F,) say which one a record belongs to, from 1, and how many of its ``steps`` are done.
    """

    run: np.ndarray
    step: np.ndarray
    steps: int


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Both, with ``n`` fields each, and what the data say: ``reference`` (4,), ``reference_drift`` = √(⟨K²⟩/V)."""

    theory: Phi4
    n: int
    quantisation: Quantisation
    diffusion: Runs
    reference: Estimate
    reference_drift: float

    def sigma(self, track: Track) -> np.ndarray:
        """Result minus reference (4,), in units of their joint error."""
        value, error = track.result
        return (value - self.reference.value) / np.hypot(error, self.reference.error)


def columns_of(theory: Phi4) -> driver.Observables:
    """One number a configuration (n,), float64, from whose averages everything follows; the last is K² for a site."""
    return {
        "phi2": phi_squared,
        "abs_m": abs_magnetisation,
        "action": action_density(theory),
        "phi4": lambda x: x.double().square().square().flatten(1).mean(1),
        "drift": lambda x: phi_squared(theory.force(x)),
    }


def observables(columns: np.ndarray) -> Estimate:
    """The observables of NAMES (…, 4) of averages (n, …, 4) over independent fields."""
    sums = np.stack([part.sum(axis=0) for part in np.array_split(columns, min(BLOCKS, len(columns)))])
    counts = np.array([len(part) for part in np.array_split(columns, len(sums))], dtype=float)
    counts = np.broadcast_to(counts.reshape(-1, *[1] * (sums.ndim - 1)), (*sums.shape[:-1], 1))

    stacked = np.concatenate([sums, counts], axis=-1)
    return jackknife(lambda s: derived(s[..., :4] / s[..., 4:]), stacked, counts).estimate


def derived(means: np.ndarray) -> np.ndarray:
    """The observables of NAMES (…, 4) from averages of φ², |M|, S/V and φ⁴."""
    phi2, abs_m, action, phi4 = np.moveaxis(means, -1, 0)
    return np.stack([phi2, abs_m, action, phi4 / phi2**2 - 3], axis=-1)


def reference_of(columns: np.ndarray) -> Estimate:
    """The observables of NAMES (4,) of averages (chains, draws, 4), in blocks longer than the autocorrelation."""
    if columns.shape[1] == 1:
        return observables(columns[:, 0])
    length = block_length(*(mean(columns[..., k]).tau_int for k in (0, 1)))
    return jackknifed(derived, cut(columns, length))
