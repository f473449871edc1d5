"""Steps in one or two dimensions, and the hopping rates that drive them.

Two dimensions are split after Strang (SIAM J. Numer. Anal. 5 (1968) 506), of second order in the step: half a step
along x, a whole one along y, half a step along x.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from core.contracts import ScoreModel
from core.fokker_planck.chang_cooper import advance, face_rates
from core.fokker_planck.grid import Grid
from core.jobs import Token

Rates = list[tuple[np.ndarray, np.ndarray]]
"""For each axis the rates ``up`` and ``down`` of ``face_rates``, shape (cells - 1, lines)."""


def evolve(
    p: np.ndarray,
    amounts: np.ndarray,
    counts: list[int],
    rates: Callable[[int], Rates],
    order: int,
    token: Token | None,
) -> list[np.ndarray]:
    """The density at every frame, the first of which is ``p``.

    ``amounts`` (steps, dim) are the lengths of all steps in units of h², ``counts`` says how many of them lie in
    each interval between frames, ``rates(step)`` gives those that hold during a step. Raises Cancelled once
    ``token`` is cancelled.
    """
    densities, last = [p], 0
    for count in counts:
        first, last = last, last + count
        for step in range(first, last):
            if token is not None:
                token.check()
            p = _split_step(p, rates(step), amounts[step], order)
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


def gradient_rates(actions: list[np.ndarray], grid: Grid) -> Rates:
    """Rates whose stationary state is exp(-action).

    For each axis ``actions`` holds the action at the centres with that axis first, or, where it is a sum over the
    axes, only its part for that axis, shape (cells,).
    """
    lines = grid.cells ** (grid.dim - 1)
    drops = [-np.diff(action.reshape(grid.cells, -1), axis=0) for action in actions]
    return [_rates(np.ascontiguousarray(np.broadcast_to(drop, (grid.cells - 1, lines)))) for drop in drops]


def score_rates(model: ScoreModel, grid: Grid, centre: np.ndarray, scale: np.ndarray, f: float, xi: float) -> Rates:
    """Rates of the backward drift ξ + 2 ℓ score at x = centre + scale ξ (see ``comoving``).

    The score is taken at the faces in 1D and, to evaluate it once for both axes, averaged to them from the centres
    in 2D. Raises ValueError where it is not finite.
    """
    points = grid.faces(0)[:, None] if grid.dim == 1 else grid.points()
    x = torch.from_numpy(centre + scale * points)
    with torch.no_grad():
        drift = points + 2 * scale * model.score(x, f, xi).numpy()
    if not np.all(np.isfinite(drift)):
        where = x.numpy()[~np.isfinite(drift).all(axis=1)][0].tolist()
        raise ValueError(f"the score at f = {f:g}, Ξ = {xi:g} is not finite at x = {where}")
    if grid.dim == 1:
        return [_rates(grid.spacing[0] * drift)]
    rates = []
    for axis in range(grid.dim):
        b = np.moveaxis(drift[:, axis].reshape(grid.shape), axis, 0)
        rates.append(_rates(np.ascontiguousarray(grid.spacing[axis] * (b[1:] + b[:-1]) / 2)))
    return rates
