"""Statistics of chains that are still running, in bounded memory.

What is seen is kept twice: the last steps of a few scalars in full, for histories, histograms and autocorrelation;
and means over contiguous blocks of everything since the beginning, for averages and their errors. When there are too
many blocks, neighbours are joined, so that blocks grow with the run and soon are longer than the autocorrelation time.
The first quarter of the blocks is left out of every average, as the time in which chains find their equilibrium.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.statistics.autocorrelation import Autocorrelation, integrated_time
from core.statistics.cumulants import cumulants_from_moments
from core.statistics.free_field import effective_mass, second_moment
from core.statistics.jackknife import Estimate
from core.statistics.running_blocks import RunningBlocks
from core.statistics.scalars import scalars

Tensor = torch.Tensor

WINDOW = 4096
"""Steps of which the scalars are kept in full."""
BINS = 120
"""Bins of the histogram of sites."""
ENOUGH = 20.0
"""Autocorrelation times that the kept steps must span for τ_int, and with it every error, to be trusted."""


@dataclass(frozen=True, eq=False)
class Average:
    """The mean of a scalar with its honest error, and how it came about.

    ``error`` is √(2 τ_int Γ(0)/N); NaN, like ``tau``, before there are enough steps. ``settled`` tells whether the
    kept steps are long against τ_int: without it τ_int and the error are too small. ``steps`` and ``running`` are the
    running mean at the end of each block, ``running_error`` its error.
    """

    mean: float
    error: float
    tau: float
    tau_error: float
    settled: bool
    rho: np.ndarray
    steps: np.ndarray
    running: np.ndarray
    running_error: np.ndarray


SCALARS = ("m", "abs_m", "phi2", "action")
"""M, |M|, V⁻¹ Σ φ² and S/V of a configuration."""
_MEANS = ("abs_m", "m2", "m4", "phi2", "action", "boltzmann", "probability")


class RunningStatistics:
    """Everything since the last change of couplings, for ``chains`` configurations of a two-dimensional ``theory``."""

    def __init__(self, theory: Any, chains: int, reach: float) -> None:
        """``reach`` is half the range of the histogram of sites."""
        self.theory, self.chains = theory, chains
        self.steps = 0
        self._remembered = -1, float("nan")
        self._ring = {name: np.full((chains, WINDOW), np.nan) for name in SCALARS}
        self._decisions = np.full((2, WINDOW), np.nan)
        self._log_ratios = np.full((chains, WINDOW), np.nan)
        self._scalars = RunningBlocks(chains, len(_MEANS))
        self.edges = np.linspace(-reach, reach, BINS + 1)
        self._sites = np.zeros(BINS)
        self._moments = RunningBlocks(chains, 4)
        self._half = theory.event[0] // 2 + 1
        self._spectra = RunningBlocks(chains, 2 * self._half + 1)

    def add(self, x: Tensor, rate: float = float("nan"), log_ratio: Tensor | None = None) -> None:
        """A step of all chains: the configurations (chains, L, L) and the Metropolis decision that led to them.

        ``rate`` is the fraction of accepted proposals, NaN without a decision, ``log_ratio`` (chains,) is log A.
        """
        m, phi2, action = scalars(self.theory, x)
        values = {"m": m, "abs_m": np.abs(m), "phi2": phi2, "action": action}
        place = self.steps % WINDOW
        for name, value in values.items():
            self._ring[name][:, place] = value
        boltzmann, spread = np.full(self.chains, np.nan), np.nan
        self._log_ratios[:, place] = np.nan
        if log_ratio is not None:
            self._log_ratios[:, place] = log_ratio.double().numpy()
            boltzmann = torch.exp(log_ratio.double().clamp(max=50.0)).numpy()
            spread = float(log_ratio.double().abs().mean())
        self._decisions[:, place] = rate, spread
        rates = np.full(self.chains, rate)
        self._scalars.add(np.stack([np.abs(m), m**2, m**4, phi2, action, boltzmann, rates], axis=1))
        self.steps += 1

    def add_field(self, x: Tensor) -> None:
        """The configurations now, for what is too costly at every step: sites, moments and correlations."""
        reach = float(self.edges[-1])
        self._sites += torch.histc(x, BINS, -reach, reach).numpy()
        y2 = x.double().square().flatten(1)
        y4 = y2.square()
        self._moments.add(torch.stack([y.mean(1) for y in (y2, y4, y4 * y2, y4.square())], dim=1).numpy())
        size = np.abs(x.double().mean((1, 2)).numpy())[:, None]
        self._spectra.add(np.concatenate([*spectra(x), size], axis=1))

    def recent(self, name: str, steps: int = WINDOW) -> tuple[np.ndarray, np.ndarray]:
        """The last ``steps`` of a scalar: their numbers, counted from 1, and the values (chains, steps)."""
        number, place = self._places(steps)
        return number, self._ring[name][:, place]

    def decisions(self, steps: int = WINDOW) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The last ``steps``: their numbers, the fraction of chains that accepted, and the mean of |log A| = |ΔH|.

        NaN where the algorithm has no such decision."""
        number, place = self._places(steps)
        return number, *self._decisions[:, place]

    def _places(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        kept = min(self.steps, WINDOW, steps)
        number = np.arange(self.steps - kept, self.steps)
        return number + 1, number % WINDOW

    def average(self, name: str) -> Average:
        """Mean, error and τ_int of one of `SCALARS` but m; averages come from all steps, τ_int from the kept ones."""
        column = _MEANS.index(name)
        blocks = self._scalars.means()[:, column]
        found = self.autocorrelation(name)
        first = len(self._scalars) // 4 * self._scalars.size
        ends = np.arange(1, len(blocks) + 1) * self._scalars.size
        nan = float("nan")
        running = np.cumsum(blocks) / np.arange(1, len(blocks) + 1)
        if found is None or not len(blocks):
            empty = np.full(len(blocks), nan)
            mean = float(running[-1]) if len(blocks) else nan
            return Average(mean, nan, nan, nan, False, np.ones(1), first + ends, running, empty)
        variance = float(np.var(self.settled(name)))
        error = np.sqrt(2 * found.tau * variance / (ends * self.chains))
        settled = found.tau * ENOUGH < min(self.steps, WINDOW) * 3 / 4
        return Average(
            float(running[-1]), float(error[-1]), found.tau, found.tau_error, settled, found.rho,
            first + ends, running, error,
        )  # fmt: skip

    def autocorrelation(self, name: str) -> Autocorrelation | None:
        """τ_int of a scalar from the kept steps, less the first quarter of the run; None for too few of them."""
        series = self.settled(name)
        return integrated_time(series) if series.shape[1] >= 20 else None

    def memory(self) -> float:
        """The longer τ_int of |M| and φ² as a fraction of the run without its first quarter; NaN where not known."""
        if self._remembered[0] != self.steps:
            found = [self.autocorrelation(name) for name in ("abs_m", "phi2")]
            taus = [f.tau for f in found if f is not None]
            kept = max(1, self.steps - self.steps // 4)
            self._remembered = self.steps, max(taus, default=float("nan")) / kept
        return self._remembered[1]

    def settled(self, name: str) -> np.ndarray:
        """One of `SCALARS` at the kept steps, less the first quarter of the run, (chains, steps)."""
        return self.recent(name, self._kept)[1]

    def in_blocks(self, name: str) -> np.ndarray:
        """Means of a scalar over the blocks of the whole run, less its first quarter, (chains, blocks)."""
        return self._scalars.by_chain()[:, :, _MEANS.index(name)].T

    def log_ratios(self) -> np.ndarray:
        """log A = -ΔH of all chains at the same steps, those without a decision left out, (chains, steps)."""
        values = self._log_ratios[:, self._places(self._kept)[1]]
        return values[:, np.isfinite(values).all(0)]

    @property
    def _kept(self) -> int:
        return min(self.steps - self.steps // 4, WINDOW)

    def magnetisations(self) -> np.ndarray:
        """M of all chains at the kept steps, less the first quarter of the run, (chains, steps)."""
        return self.settled("m")

    def binder(self) -> Estimate:
        """U_L = 1 - ⟨M⁴⟩/(3⟨M²⟩²)."""
        found = self._scalars.estimate(lambda a: (1 - a[..., 2] / (3 * a[..., 1] ** 2))[..., None], self.memory())
        return Estimate(found.value[0], found.error[0])

    def susceptibility(self) -> Estimate:
        """χ = V(⟨M²⟩ - ⟨|M|⟩²)."""
        volume = self.theory.volume
        found = self._scalars.estimate(lambda a: (volume * (a[..., 1] - a[..., 0] ** 2))[..., None], self.memory())
        return Estimate(found.value[0], found.error[0])

    def acceptance(self) -> float:
        """The fraction of accepted proposals; NaN for an algorithm without."""
        return self._mean("probability")

    def boltzmann(self) -> float:
        """⟨e^{-ΔH}⟩, which is 1 in equilibrium."""
        return self._mean("boltzmann")

    def _mean(self, name: str) -> float:
        blocks = self._scalars.means()[:, _MEANS.index(name)]
        return float(blocks.mean()) if len(blocks) else float("nan")

    def cumulants(self) -> Estimate:
        """κ_0 … κ_8 of a site, (9,), symmetrised: odd moments are set to 0, as φ → -φ is a symmetry."""

        def cumulants(even: np.ndarray) -> np.ndarray:
            m = np.zeros((*even.shape[:-1], 9))
            m[..., 0], m[..., 2::2] = 1.0, even
            return cumulants_from_moments(m)

        return self._moments.estimate(cumulants, self.memory())

    def sites(self) -> np.ndarray:
        """Density of φ at a site in the bins between ``edges``, from all fields since the beginning."""
        total = self._sites.sum()
        return self._sites / (max(total, 1.0) * np.diff(self.edges))

    def correlators(self, connected: bool) -> tuple[Estimate, Estimate]:
        """G(r) = ⟨φ_x φ_{x+r}⟩ along an axis, and C(t) = L ⟨Φ_s Φ_{s+t}⟩ of the slice means Φ, for r, t = 0 … L/2.

        ``connected`` subtracts ⟨|M|⟩² and L ⟨|M|⟩², to which they tend at large distance in the broken phase.
        """
        return self._correlation(lambda g, _: g, connected), self._correlation(lambda _, c: c, connected)

    def effective_mass(self, connected: bool) -> Estimate:
        """m_eff(t) for t = 1 … L/2 - 1, see `core.statistics.free_field.effective_mass`."""
        return self._correlation(lambda _, c: effective_mass(c), connected)

    def propagator(self, connected: bool) -> Estimate:
        """(m², Z) of the free propagator with the measured second moment."""
        half, length = self._half, self._length

        def fit(a: np.ndarray) -> np.ndarray:
            structure = a[..., half : half + 2].copy()
            if connected:
                structure[..., 0] -= self.theory.volume * a[..., -1] ** 2
            return second_moment(structure, length)

        return self._spectra.estimate(fit, self.memory())

    @property
    def _length(self) -> int:
        return self.theory.event[0]

    def _correlation(self, function: Callable[[np.ndarray, np.ndarray], np.ndarray], connected: bool) -> Estimate:
        half, length = self._half, self._length

        def of_means(a: np.ndarray) -> np.ndarray:
            points, slices = (_cosine_sum(a[..., part], length) for part in (slice(half), slice(half, 2 * half)))
            if connected:
                square = a[..., -1:] ** 2
                points, slices = points - square, slices - length * square
            return function(points, slices)

        return self._spectra.estimate(of_means, self.memory())


def spectra(x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Power spectra whose cosine sums are G(r) and C(t), averaged over both axes, each (chains, L/2 + 1).

    x is (chains, L, L). The second one is the structure factor ⟨|φ_p|²⟩/V at momenta p along an axis.
    """
    chains, length = x.shape[:2]
    points, slices = np.zeros((chains, length // 2 + 1)), np.zeros((chains, length // 2 + 1))
    for axis in (1, 2):
        points += _power(x, axis).mean(dim=3 - axis).numpy() / (2 * length)
        slices += _power(x.double().mean(3 - axis), 1).numpy() / 2
    return points, slices


def _power(x: Tensor, axis: int) -> Tensor:
    f = torch.fft.rfft(x, dim=axis)
    return f.real.double() ** 2 + f.imag.double() ** 2


def _cosine_sum(power: np.ndarray, length: int) -> np.ndarray:
    """Σ_p power(p) cos(p r)/L for r = 0 … L/2, from p = 0 … L/2."""
    return np.fft.irfft(power, length, axis=-1)[..., : length // 2 + 1]
