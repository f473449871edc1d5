"""The Fokker–Planck equations of the forward, the backward and the Langevin process, solved on a grid.

All three keep the mass to rounding and the density positive at any step (see ``chang_cooper``), and are of second
order in the spacing of the cells. In time they are of the order asked for: 2, or 1 for backward Euler. The drift of
the backward process is frozen at the middle of each step, and two dimensions are split after Strang (SIAM J. Numer.
Anal. 5 (1968) 506): half a step along x, a whole one along y, half along x. Steps end at every frame and lie between
as ``steps`` says: ``substeps=1`` is a preview, and each doubling halves the steps.

A peak must be some three cells wide (its standard deviation) to be resolved; a narrower one comes out too wide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch

from core.contracts import ScoreModel
from core.fokker_planck.comoving import SMALLEST_F, Comoving, window_of_law, window_of_start
from core.fokker_planck.grid import HALF_WIDTH, Density, Grid, NormalDensity, union
from core.fokker_planck.solution import Solution
from core.fokker_planck.splitting import Rates, evolve, gradient_rates, score_rates
from core.fokker_planck.steps import subdivide
from core.jobs import Token
from core.schedule import Schedule
from core.theories.base import Target

CELLS = {1: 480, 2: 128}
"""Cells along each axis, by dimension, where none are asked for."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def solve_forward(
    target: Target,
    schedule: Schedule,
    times: Sequence[float] | np.ndarray,
    cells: int | None = None,
    substeps: int = 3,
    order: int = 2,
    token: Token | None = None,
) -> Solution:
    """The law of the forward process at rising ``times`` in [0, t_max], from P_0 of ``target`` at t = 0.

    ``∂_t P = -∂_x(b P) + ½ g² ∂_x² P, b = -½ k x`` (arXiv:2410.21212, section 2), with ``cells`` along each axis.
    Raises ValueError for bad arguments and Cancelled once ``token`` is cancelled.
    """
    _check_numbers(cells, substeps, order)
    times = _checked_times(times, 0.0, schedule.t_max)
    if times[0] > times[-1]:
        raise ValueError(f"times of the forward process must rise, got {times[0]:g} … {times[-1]:g}")
    path = times if times[0] == 0 else np.append(0.0, times)
    moving = Comoving(schedule, target.mean, _variance(target.covariance))
    grid = Grid(window_of_law(target, moving, path), cells or CELLS[target.dim])
    x = torch.from_numpy(moving.centre(0.0) + moving.scale(0.0) * grid.points())
    p = grid.normalised(np.exp(target.log_prob(x).numpy()))
    rates = gradient_rates([grid.centres(axis) ** 2 / 2 for axis in range(grid.dim)], grid)
    amounts, _, counts = _comoving_steps(moving, grid, path, substeps)
    densities = evolve(p, amounts, counts, lambda _: rates, order, token)
    return _in_x(grid, moving, times, densities[len(path) - len(times) :])


def solve_backward(
    score_model: ScoreModel,
    schedule: Schedule,
    times: Sequence[float] | np.ndarray,
    start: Literal["matched", "noise"] | Density = "matched",
    mean: np.ndarray | None = None,
    covariance: np.ndarray | None = None,
    window: np.ndarray | None = None,
    cells: int | None = None,
    substeps: int = 3,
    order: int = 2,
    token: Token | None = None,
) -> Solution:
    """The law of the backward process at falling ``times`` in (0, t_max].

    ``∂_τ Q = -∂_x [(-b + g² score) Q] + ½ g² ∂_x² Q, τ = T - t`` (Anderson's process, arXiv:2309.17082). It starts
    at ``times[0]`` from ``start``: "matched", the normal law with the mean and covariance that the forward process
    has there; "noise", N(f·mean, Ξ); or any density of x, for instance a NormalDensity or a UniformDensity.

    ``mean`` (dim,) and ``covariance`` (dim, dim) of the data set the matched start and the grid's motion; ``window``
    (dim, 2) is an interval that holds the data. Each is taken from the score model if that has it (as targets do).
    Raises ValueError for bad arguments or a score that is not finite, Cancelled once ``token`` is cancelled.
    """
    _check_numbers(cells, substeps, order)
    times = _checked_times(times, 0.0, schedule.t_max)
    if times[0] < times[-1] or times[-1] <= 0:
        raise ValueError(f"times of the backward process must fall and end above 0, got {times[0]:g} … {times[-1]:g}")
    mean = np.atleast_1d(_given_or_known("mean", mean, score_model)).astype(float)
    covariance = np.atleast_2d(_given_or_known("covariance", covariance, score_model)).astype(float)
    moving = Comoving(schedule, mean, _variance(covariance))

    if isinstance(start, str):
        start = _prior(start, schedule, times[0], mean, covariance)
    if window is None and isinstance(score_model, Target):
        reach = window_of_law(score_model, moving, times)
    else:
        reach = np.tile([-HALF_WIDTH, HALF_WIDTH], (len(mean), 1))
        if window is not None:
            reach = union(reach, (np.asarray(window, dtype=float) - mean[:, None]) / np.sqrt(moving.variance)[:, None])
    centre, scale = moving.centre(times[0]), moving.scale(times[0])
    grid = Grid(union(reach, window_of_start(start, centre, scale)), cells or CELLS[len(mean)])
    p = grid.average(start, centre, scale)

    amounts, middles, counts = _comoving_steps(moving, grid, times, substeps)
    centres, scales = moving.centre(middles), moving.scale(middles)
    levels = np.stack([np.maximum(schedule.f(middles), SMALLEST_F), schedule.xi(middles)], axis=1)

    def rates(step: int) -> Rates:
        return score_rates(score_model, grid, centres[step], scales[step], *map(float, levels[step]))

    return _in_x(grid, moving, times, evolve(p, amounts, counts, rates, order, token))


def solve_langevin(
    target: Target,
    times: Sequence[float] | np.ndarray,
    start: Density,
    g: Callable[[np.ndarray], np.ndarray] | None = None,
    cells: int | None = None,
    substeps: int = 3,
    order: int = 2,
    token: Token | None = None,
) -> Solution:
    """The law of the Langevin process of ``target`` at rising ``times``, from the density ``start`` at times[0].

    ``∂_t P = ½ g² ∂_x (∂_x - K) P, K = -∂S/∂x``; without ``g`` in Parisi–Wu time, g² = 2. ``g(t)`` takes and gives
    arrays and only changes the clock, θ = ½ ∫ g² dt (24-point Gauss rule between frames). The stationary state on
    the grid is exp(-S) at the centres, to rounding. Raises ValueError for bad arguments, Cancelled with ``token``.
    """
    _check_numbers(cells, substeps, order)
    times = _checked_times(times, -np.inf, np.inf)
    if times[0] > times[-1]:
        raise ValueError(f"times of the Langevin process must rise, got {times[0]:g} … {times[-1]:g}")
    zero, one = np.zeros(target.dim), np.ones(target.dim)
    grid = Grid(union(target.window(), window_of_start(start, zero, one)), cells or CELLS[target.dim])
    p = grid.average(start, zero, one)
    action = target.action(torch.from_numpy(grid.points())).numpy().reshape(grid.shape)
    rates = gradient_rates([np.moveaxis(action, axis, 0) for axis in range(grid.dim)], grid)

    gaps = np.diff(times)
    if g is None:
        theta = np.cumsum(gaps)
    else:
        nodes = times[:-1, None] + gaps[:, None] * (_NODES + 1) / 2
        strength = np.asarray(g(nodes), dtype=float)
        if not np.all(np.isfinite(strength)):
            raise ValueError("the noise strength g(t) must be finite at all times")
        theta = np.cumsum(gaps / 4 * (strength**2 @ _WEIGHTS))
    steps = subdivide(np.append(0.0, theta), float(grid.spacing.min()), substeps)
    elapsed = np.concatenate([np.diff(interval) for interval in steps])
    densities = evolve(
        p, elapsed[:, None] / grid.spacing**2, [len(s) - 1 for s in steps], lambda _: rates, order, token
    )
    axes = tuple(np.tile(grid.centres(axis), (len(times), 1)) for axis in range(grid.dim))
    return Solution(times, axes, np.stack(densities))


def _comoving_steps(
    moving: Comoving, grid: Grid, times: np.ndarray, substeps: int
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Lengths of all steps (steps, dim) in units of h², the times at their middles, and how many lie between frames."""
    narrow = int(np.argmin(moving.variance))
    s = moving.clocks(times)[:, narrow]
    sign = -1.0 if s[-1] < s[0] else 1.0
    steps = subdivide(sign * (s - s[0]), float(grid.spacing[narrow]), substeps, s[0] if sign < 0 else None)
    nodes = s[0] + sign * np.concatenate([steps[0][:1], *(interval[1:] for interval in steps)])
    readings = moving.clocks(moving.time(nodes, narrow))
    middles = moving.time((nodes[1:] + nodes[:-1]) / 2, narrow)
    return np.abs(np.diff(readings, axis=0)) / grid.spacing**2, middles, [len(interval) - 1 for interval in steps]


def _in_x(grid: Grid, moving: Comoving, times: np.ndarray, densities: list[np.ndarray]) -> Solution:
    centres, scales = moving.centre(times), moving.scale(times)
    axes = tuple(centres[:, [i]] + scales[:, [i]] * grid.centres(i) for i in range(grid.dim))
    return Solution(times, axes, np.stack(densities) / scales.prod(axis=1).reshape(-1, *[1] * grid.dim))


def _prior(kind: str, schedule: Schedule, t: float, mean: np.ndarray, covariance: np.ndarray) -> NormalDensity:
    f, xi = float(schedule.f(t)), float(schedule.xi(t))
    if kind == "matched":
        return NormalDensity(f * mean, f**2 * covariance + xi * np.eye(len(mean)))
    if kind == "noise":
        return NormalDensity(f * mean, xi)
    raise ValueError(f"start must be 'matched', 'noise' or a density, got {kind!r}")


def _variance(covariance: np.ndarray) -> np.ndarray:
    variance = np.diag(covariance)
    if not (np.all(np.isfinite(variance)) and np.all(variance > 0)):
        raise ValueError(f"covariance must have a positive, finite diagonal, got {variance.tolist()}")
    return variance


def _given_or_known(name: str, value: np.ndarray | None, model: ScoreModel) -> np.ndarray:
    value = getattr(model, name, None) if value is None else value
    if value is None:
        raise ValueError(f"{name} of the data must be given, because the score model does not know it")
    return np.asarray(value)


def _checked_times(times: Sequence[float] | np.ndarray, low: float, high: float) -> np.ndarray:
    times = np.asarray(times, dtype=float)
    if times.ndim != 1 or len(times) < 2 or not np.all(np.isfinite(times)):
        raise ValueError(f"times must be at least two finite numbers, got {times}")
    if np.any(times < low) or np.any(times > high):
        raise ValueError(f"times must lie between {low:g} and {high:g}, got {times.min():g} … {times.max():g}")
    gaps = np.diff(times)
    if not (np.all(gaps > 0) or np.all(gaps < 0)):
        raise ValueError("times must rise or fall strictly")
    return times


def _check_numbers(cells: int | None, substeps: int, order: int) -> None:
    if cells is not None and cells < 3:
        raise ValueError(f"cells must be at least 3, got {cells}")
    if substeps < 1:
        raise ValueError(f"substeps must be at least 1, got {substeps}")
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order}")
