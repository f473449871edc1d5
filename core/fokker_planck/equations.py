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
from core.fokker_planck.chang_cooper import advance, face_rates
from core.fokker_planck.comoving import Comoving
from core.fokker_planck.grid import Density, Grid
from core.fokker_planck.solution import Solution
from core.fokker_planck.steps import subdivide
from core.jobs import Token
from core.schedule import Schedule
from core.theories.base import Target

CELLS = {1: 400, 2: 96}
"""Cells along each axis, by dimension, where none are asked for."""

_HALF_WIDTH = 5.3  # of the grid for a Gaussian law, in standard deviations
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)

Rates = list[tuple[np.ndarray, np.ndarray]]  # for each axis ``up`` and ``down`` of ``face_rates``


def solve_forward(
    target: Target,
    schedule: Schedule,
    times: Sequence[float] | np.ndarray,
    cells: int | None = None,
    substeps: int = 2,
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
    grid = Grid(_window_of(target, moving, path), cells or CELLS[target.dim])
    x = torch.from_numpy(moving.centre(0.0) + moving.scale(0.0) * grid.points())
    p = grid.normalised(np.exp(target.log_prob(x).numpy()))
    rates = _gradient_rates([grid.centres(axis) ** 2 / 2 for axis in range(grid.dim)], grid)
    amounts, _, counts = _comoving_steps(moving, grid, path, substeps)
    densities = _evolve(p, amounts, counts, lambda _: rates, order, token)
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
    substeps: int = 2,
    order: int = 2,
    token: Token | None = None,
) -> Solution:
    """The law of the backward process at falling ``times`` in (0, t_max].

    ``∂_τ Q = -∂_x [(-b + g² score) Q] + ½ g² ∂_x² Q, τ = T - t`` (Anderson's process, arXiv:2309.17082). It starts
    at ``times[0]`` from ``start``: "matched", the normal law with the mean and covariance that the forward process
    has there; "noise", N(0, Ξ); or any density of x, for instance a NormalDensity or a UniformDensity.

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

    centre, scale = moving.centre(times[0]), moving.scale(times[0])
    if window is None and isinstance(score_model, Target):
        reach = _window_of(score_model, moving, times)
    else:
        reach = np.tile([-_HALF_WIDTH, _HALF_WIDTH], (len(mean), 1))
        if window is not None:
            reach = _union(reach, (np.asarray(window, dtype=float) - mean[:, None]) / np.sqrt(moving.variance)[:, None])
    offset = np.zeros_like(mean)
    if isinstance(start, str):
        if start not in ("matched", "noise"):
            raise ValueError(f"start must be 'matched', 'noise' or a density, got {start!r}")
        f, xi, one = float(schedule.f(times[0])), float(schedule.xi(times[0])), np.eye(len(mean))
        spread = xi * one if start == "noise" else f**2 * covariance + xi * one
        offset = -centre / scale if start == "noise" else offset
        start_window = offset[:, None] + np.sqrt(np.diag(spread))[:, None] / scale[:, None] * _HALF_WIDTH * [-1, 1]
    else:
        spread = None
        start_window = _window_of_start(start, centre, scale)
    grid = Grid(_union(reach, start_window), cells or CELLS[len(mean)])
    if spread is None:
        p = grid.average(start, centre, scale)  # type: ignore[arg-type]
    else:
        y = grid.points() - offset
        p = grid.normalised(np.exp(-0.5 * np.einsum("ni,ij,nj->n", y, np.linalg.inv(spread / np.outer(scale, scale)), y)))

    amounts, middles, counts = _comoving_steps(moving, grid, times, substeps)

    def rates(step: int) -> Rates:
        return _backward_rates(score_model, moving, grid, float(middles[step]))

    return _in_x(grid, moving, times, _evolve(p, amounts, counts, rates, order, token))


def solve_langevin(
    target: Target,
    times: Sequence[float] | np.ndarray,
    start: Density,
    g: Callable[[np.ndarray], np.ndarray] | None = None,
    cells: int | None = None,
    substeps: int = 2,
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
    grid = Grid(_union(target.window(), _window_of_start(start, zero, one)), cells or CELLS[target.dim])
    p = grid.average(start, zero, one)
    action = target.action(torch.from_numpy(grid.points())).numpy().reshape(grid.shape)
    rates = _gradient_rates([np.moveaxis(action, axis, 0) for axis in range(grid.dim)], grid)

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
    densities = _evolve(
        p, elapsed[:, None] / grid.spacing**2, [len(s) - 1 for s in steps], lambda _: rates, order, token
    )
    axes = tuple(np.tile(grid.centres(axis), (len(times), 1)) for axis in range(grid.dim))
    return Solution(times, axes, np.stack(densities))


def _evolve(
    p: np.ndarray,
    amounts: np.ndarray,
    counts: list[int],
    rates: Callable[[int], Rates],
    order: int,
    token: Token | None,
) -> list[np.ndarray]:
    """The density at every frame; ``amounts`` (steps, dim) in units of h², ``counts`` of steps between frames."""
    densities, step = [p], 0
    for count in counts:
        for step in range(step, step + count):
            if token is not None:
                token.check()
            p = _split_step(p, rates(step), amounts[step], order)
        step += 1
        densities.append(p)
    return densities


def _split_step(p: np.ndarray, rates: Rates, amount: np.ndarray, order: int) -> np.ndarray:
    if p.ndim == 1:
        return advance(p[:, None], *rates[0], amount[0], order)[:, 0]
    p = advance(p, *rates[0], amount[0] / 2, order)
    p = np.ascontiguousarray(advance(np.ascontiguousarray(p.T), *rates[1], amount[1], order).T)
    return advance(p, *rates[0], amount[0] / 2, order)


def _rates(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    up, down = np.empty_like(z), np.empty_like(z)
    face_rates(z, up, down)
    return up, down


def _gradient_rates(actions: list[np.ndarray], grid: Grid) -> Rates:
    """Rates whose stationary state is exp(-action); each action with its axis first, constant along the rest if 1D."""
    lines = grid.cells ** (grid.dim - 1)
    drops = [-np.diff(action.reshape(grid.cells, -1), axis=0) for action in actions]
    return [_rates(np.ascontiguousarray(np.broadcast_to(drop, (grid.cells - 1, lines)))) for drop in drops]


def _backward_rates(model: ScoreModel, moving: Comoving, grid: Grid, t: float) -> Rates:
    """Rates of the drift ξ + 2 ℓ score: with the score at the faces in 1D, in 2D averaged to them from the centres."""
    xi = grid.faces(0)[:, None] if grid.dim == 1 else grid.points()
    scale = moving.scale(t)
    x = torch.from_numpy(moving.centre(t) + scale * xi)
    with torch.no_grad():
        score = model.score(x, float(moving.schedule.f(t)), float(moving.schedule.xi(t))).numpy()
    drift = xi + 2 * scale * score
    if not np.all(np.isfinite(drift)):
        where = x[~np.isfinite(drift).all(axis=1)][0].tolist()
        raise ValueError(f"the score at t = {t:g} is not finite at x = {where}")
    if grid.dim == 1:
        return [_rates(grid.spacing[0] * drift)]
    rates = []
    for axis in range(grid.dim):
        b = np.moveaxis(drift[:, axis].reshape(grid.shape), axis, 0)
        rates.append(_rates(np.ascontiguousarray(grid.spacing[axis] * (b[1:] + b[:-1]) / 2)))
    return rates


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
    centres = np.stack([moving.centre(t) for t in times])
    scales = np.stack([moving.scale(t) for t in times])
    axes = tuple(centres[:, [i]] + scales[:, [i]] * grid.centres(i) for i in range(grid.dim))
    return Solution(times, axes, np.stack(densities) / scales.prod(axis=1).reshape(-1, *[1] * grid.dim))


def _window_of(law: Target, moving: Comoving, times: np.ndarray) -> np.ndarray:
    """The interval in ξ that holds the law at all of ``times``, shape (dim, 2)."""
    reach = None
    for s in np.linspace(*np.sort(moving.clocks(times[[0, -1]])[:, 0]), 5):
        t = float(moving.time(np.array(s), 0))
        x = law.window(float(moving.schedule.f(t)), float(moving.schedule.xi(t)))
        at_t = (x - moving.centre(t)[:, None]) / moving.scale(t)[:, None]
        reach = at_t if reach is None else _union(reach, at_t)
    assert reach is not None
    return reach * 1.05


def _window_of_start(start: Density, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    window = getattr(start, "window", None)
    if window is None:
        return np.tile([np.inf, -np.inf], (len(centre), 1))
    window = np.asarray(window, dtype=float)
    if window.shape != (len(centre), 2):
        raise ValueError(f"start must be a density in {len(centre)} dimensions, its window has shape {window.shape}")
    return (window - centre[:, None]) / scale[:, None]


def _union(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.stack([np.minimum(a[:, 0], b[:, 0]), np.maximum(a[:, 1], b[:, 1])], axis=1)


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
