"""⟨|M|⟩, χ and U_L of φ⁴ in two dimensions against κ, for several lattices, and where their U_L cross.

Points come one by one, the whole range of κ roughly first and the gaps later, so that a scan that is stopped early has
already the shape of the curves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator, PPoly

from core.jobs import Token
from core.noise import Noise
from core.samplers import driver
from core.samplers.algorithms import ALGORITHMS, automatic
from core.samplers.starts import mixed_start
from core.samplers.warm_up import warmed
from core.statistics.errors import Measured, derived, mean
from core.statistics.scalars import scalars
from core.theories.phi4 import Phi4

ALGORITHM_OPTIONS: dict[str, dict[str, Any]] = {
    "cluster": {"kind": "wolff", "sweeps": 4},
    "hmc": {"flip": True},
}
"""Algorithms of a scan and what is set for them; their step sizes are automatic."""
CHAINS = 16
THERMALISATION = 100
"""Updates after the warm-up that are not counted; with the fifth part of the draws, if that is more."""
FEWEST_POINTS, MOST_POINTS = 3, 200
FEWEST_CONFIGURATIONS = 200
REPORTS = 10
"""Reports on the way to a point."""
ENOUGH = 25.0
"""A chain that is shorter than so many τ_int gives errors that cannot be trusted."""
RESAMPLES, GRID = 400, 600
"""Sets of points drawn within their errors, and the grid on which their roots are looked for."""
NEAR = 3
"""Points on each side of a crossing that are fitted."""


@dataclass(frozen=True)
class ScanRequest:
    """What fixes a scan: κ of the points, extents ``sizes`` of the square lattices, ``configurations`` a point, counted
    over all chains.

    Raises ValueError for fewer than three or more than 200 points, points that are not rising, a lattice that there is
    not, fewer than 200 configurations, an unknown algorithm, and a κ or λ that the theory does not have.
    """

    kappas: tuple[float, ...]
    sizes: tuple[int, ...]
    lam: float = 0.022
    configurations: int = 4000
    algorithm: str = "cluster"
    seed: int = 0

    def __post_init__(self) -> None:
        if not FEWEST_POINTS <= len(self.kappas) <= MOST_POINTS:
            raise ValueError(
                f"a scan takes from {FEWEST_POINTS} to {MOST_POINTS} values of kappa, got {len(self.kappas)}"
            )
        if any(b <= a for a, b in zip(self.kappas, self.kappas[1:], strict=False)):
            raise ValueError("the values of kappa must rise from point to point")
        if not self.sizes or len(set(self.sizes)) < len(self.sizes):
            raise ValueError(f"sizes must name at least one lattice and none twice, got {self.sizes}")
        if self.configurations < FEWEST_CONFIGURATIONS:
            raise ValueError(
                f"configurations must be at least {FEWEST_CONFIGURATIONS} a point, got {self.configurations}"
            )
        if self.algorithm not in ALGORITHM_OPTIONS:
            raise ValueError(f"algorithm must be one of {', '.join(ALGORITHM_OPTIONS)}, got {self.algorithm!r}")
        for size in self.sizes:
            for kappa in self.kappas:
                Phi4(size, kappa, self.lam)
            if size % 2:
                raise ValueError(f"a lattice of a scan must have an even extent, got {size}")


def kappa_range(low: float, high: float, points: int) -> tuple[float, ...]:
    """``points`` evenly spaced values from ``low`` to ``high``; ValueError where that is no range."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"the scan must go from a smaller to a larger kappa, got from {low:g} to {high:g}")
    if not FEWEST_POINTS <= points <= MOST_POINTS:
        raise ValueError(f"a scan takes from {FEWEST_POINTS} to {MOST_POINTS} values of kappa, got {points}")
    return tuple(round(float(kappa), 9) for kappa in np.linspace(low, high, points))


@dataclass(frozen=True)
class ScanPoint:
    """One lattice at one κ: ⟨|M|⟩, χ = V(⟨M²⟩ - ⟨|M|⟩²) and U_L = 1 - ⟨M⁴⟩/(3⟨M²⟩²), with errors and τ_int in updates.

    ``m2`` is ⟨M²⟩. ``settled`` is False where the chains are short against their own memory.
    """

    L: int
    kappa: float
    abs_m: Measured
    m2: Measured
    chi: Measured
    binder: Measured
    acceptance: float
    settled: bool


@dataclass(frozen=True)
class ScanReport:
    """How far a scan is: ``done`` of ``total``, a fraction of each point included; ``point`` where one is finished."""

    done: float
    total: int
    L: int
    kappa: float
    point: ScanPoint | None = None


def scan(request: ScanRequest, token: Token | None = None) -> Iterator[ScanReport]:
    """Measure all points, with a report now and then. Raises Cancelled once ``token`` is cancelled.

    A point depends on the theory, the number of configurations, the algorithm and the seed alone, not on the others.
    """
    total, done = len(request.kappas) * len(request.sizes), 0
    for kappa in spread(request.kappas):
        for size in request.sizes:
            for part in _point(Phi4(size, kappa, request.lam), request, token):
                if isinstance(part, ScanPoint):
                    done += 1
                    yield ScanReport(done, total, size, kappa, part)
                else:
                    yield ScanReport(done + part, total, size, kappa)


def spread(values: Sequence[float]) -> list[float]:
    """The same values, both ends first, then always the middles of the gaps."""
    last = len(values) - 1
    order, gaps = [0, last], [(0, last)]
    while gaps:
        low, high = gaps.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            order.append(middle)
            gaps += [(low, middle), (middle, high)]
    return [values[i] for i in dict.fromkeys(order)]


def _point(theory: Phi4, request: ScanRequest, token: Token | None) -> Iterator[float | ScanPoint]:
    """Fractions of the work done, then the point."""
    noise = Noise(request.seed).of(f"scan {theory.L} {theory.kappa:.9g}")
    algorithm = ALGORITHMS[request.algorithm]
    parameters = automatic(request.algorithm, theory, noise, **ALGORITHM_OPTIONS[request.algorithm])
    draws = math.ceil(request.configurations / CHAINS)
    before = max(THERMALISATION, draws // 5)
    x = warmed(theory, mixed_start(theory, CHAINS, noise), noise.of("warm-up"), token)
    state = algorithm.start(theory, x, **parameters)
    series: list[np.ndarray] = []
    acceptance: list[float] = []
    steps = before + draws
    every = max(1, steps // REPORTS)
    observables: driver.Observables = {"M": lambda x: torch.from_numpy(scalars(theory, x)[0])}
    for frame in driver.frames(state, algorithm.step, noise, steps, every, observables, token=token):
        series.append(frame.series["M"])
        acceptance.append(frame.acceptance)
        yield min(0.99, sum(part.shape[1] for part in series) / steps)
    m = np.concatenate(series, axis=1)[:, before:]
    yield measured_point(theory, m, float(np.nanmean(acceptance)))


def measured_point(theory: Phi4, m: np.ndarray, acceptance: float = math.nan) -> ScanPoint:
    """The point that magnetisations ``m`` (chains, draws) give, odd moments being zero by symmetry.

    Raises ValueError for fewer than four draws.
    """
    series = {"abs": np.abs(m), "m2": m**2, "m4": m**4}
    chi = derived(lambda v: theory.volume * (v["m2"] - v["abs"] ** 2), {k: series[k] for k in ("abs", "m2")})
    binder = derived(lambda v: 1 - v["m4"] / (3 * v["m2"] ** 2), {k: series[k] for k in ("m2", "m4")})
    abs_m, m2 = mean(series["abs"]), mean(series["m2"])
    slowest = max(abs_m.tau_int, m2.tau_int, chi.tau_int, binder.tau_int)
    size = theory.event[0]
    return ScanPoint(
        size, theory.kappa, abs_m, m2, chi, binder, acceptance, bool(m.shape[1] > ENOUGH * slowest)
    )  # fmt: skip


@dataclass(frozen=True)
class Crossing:
    """Where U_L of two lattices are equal: an estimate of κ_c that is right up to corrections in 1/L.

    ``error`` holds the statistical error and that of the interpolation between the points.
    """

    small: int
    large: int
    kappa: float
    error: float


def crossing(points: Mapping[tuple[int, float], ScanPoint], small: int, large: int) -> Crossing | None:
    """Where the U_L of two lattices cross, from ``points`` by (L, κ).

    The difference of -log(2/3 - U_L), which has the same root and does not level off as U_L does, is interpolated by a
    monotone cubic through up to three points on each side of its change of sign. The statistical error is the standard
    deviation over 400 sets of points drawn within their errors; the interpolation's is the distance to the root of
    straight lines. None where there are too few points, or no clear change of sign among them.
    """
    kappas = np.array(sorted(kappa for size, kappa in points if size == small and (large, kappa) in points))
    if len(kappas) < FEWEST_POINTS:
        return None
    low, low_error = _straightened([points[small, float(kappa)].binder for kappa in kappas])
    high, high_error = _straightened([points[large, float(kappa)].binder for kappa in kappas])
    y, sigma = high - low, np.hypot(low_error, high_error)
    if not (np.isfinite(sigma).all() and (sigma > 0).all()):
        return None
    pull = np.clip(y / sigma, -10, 10)
    # The split that best tells negative differences before it from positive ones after it.
    split = int(np.argmax([pull[i:].sum() - pull[:i].sum() for i in range(1, len(pull))])) + 1
    near = slice(max(0, split - NEAR), split + NEAR)
    if pull[near.start : split].min() > -2 or pull[split : near.stop].max() < 2:
        return None
    x, y, sigma, guess = kappas[near], y[near], sigma[near], (kappas[split - 1] + kappas[split]) / 2
    root = _root(PchipInterpolator(x, y), guess)
    straight = _root(PPoly(np.stack([np.diff(y) / np.diff(x), y[:-1]]), x), guess)
    deviates = Noise(0, "crossing").normal(0, (RESAMPLES, len(y)), torch.float64).numpy()
    roots = _roots(x, y + sigma * deviates, guess)
    if root is None or straight is None or len(roots) < RESAMPLES // 2:
        return None
    return Crossing(small, large, root, math.hypot(float(roots.std(ddof=1)), root - straight))


def _straightened(binder: Sequence[Measured]) -> tuple[np.ndarray, np.ndarray]:
    """-log(2/3 - U_L) and its error; ⟨M⁴⟩ >= ⟨M²⟩², so U_L <= 2/3."""
    value, error = np.array([(b.value, b.error) for b in binder]).T
    below = np.maximum(2 / 3 - value, 1e-12)
    return -np.log(below), error / below


def _root(curve: PPoly, guess: float) -> float | None:
    """The root nearest to ``guess`` within the curve's range."""
    roots = curve.roots(extrapolate=False)
    roots = roots[np.isfinite(roots)]
    return float(roots[np.argmin(np.abs(roots - guess))]) if len(roots) else None


def _roots(x: np.ndarray, y: np.ndarray, guess: float) -> np.ndarray:
    """The same for the monotone cubics through many sets ``y`` (sets, points), those that have a root."""
    grid = np.linspace(x[0], x[-1], GRID)
    values = PchipInterpolator(x, y, axis=1)(grid)
    left, right = values[:, :-1], values[:, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        at = grid[:-1] + (grid[1] - grid[0]) * left / (left - right)
    at = np.where((left < 0) != (right < 0), at, np.inf)
    nearest = at[np.arange(len(at)), np.argmin(np.abs(at - guess), axis=1)]
    return nearest[np.isfinite(nearest)]
