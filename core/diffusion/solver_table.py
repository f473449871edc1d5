"""How far every solver is off after so many score evaluations, for a free field, without any statistics.

A free field's score is linear, and so is every solver: what it makes of a start of known variance and of unit kicks in
each step gives the propagator at the end exactly, mode by mode. The start is the exact law at the first time and the
comparison the exact law at the last, so that the error is the discretisation's alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from core.contracts import Tensor, score_at
from core.diffusion.backward import SOLVERS, Solver
from core.diffusion.exponential import FIELD_SOLVERS
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_noise import noise_range
from core.diffusion.grids import GRIDS, time_grid
from core.diffusion.multistep import integrate
from core.schedule import Schedule


@dataclass(frozen=True)
class SolverError:
    """Relative errors of one run against the exact law at its last time.

    ``propagator`` is that of the mode which is furthest off, without sign; ``phi2`` that of ⟨φ²⟩ and ``action`` that
    of the action density, which weighs every mode alike. All are nan where the solver refuses the steps or diverges.
    ``evaluations`` counts the calls of the score.
    """

    solver: str
    grid: str
    steps: int
    evaluations: int
    propagator: float
    phi2: float
    action: float


def solver_table(
    gaussian: FieldGaussianScore,
    schedule: Schedule,
    *,
    solvers: Iterable[str] = tuple(FIELD_SOLVERS),
    grids: Iterable[str] = GRIDS,
    steps: Iterable[int] = (5, 10, 30, 100, 300),
    assumed: FieldGaussianScore | None = None,
) -> list[SolverError]:
    """One row for every solver, grid and number of steps, from the schedule's end to the level that suits the field.

    ``gaussian`` is the field and its exact score. The exponential solvers take their propagator from ``assumed``
    instead, if it is given: with the exact one they have no error. Raises ValueError for a field of two components,
    whose score is not linear, for fields of different shape, and for an unknown solver or grid.
    """
    assumed = assumed or gaussian
    if gaussian.m > 0:
        raise ValueError(f"the table is for a free field, with m = 0, got m = {gaussian.m:g}")
    if assumed.event != gaussian.event:
        raise ValueError(f"the assumed propagator must have the field's shape {gaussian.event}, got {assumed.event}")
    pairs, count = np.unique(
        np.stack([gaussian.connected.ravel(), assumed.connected.ravel()]).round(12), axis=1, return_counts=True
    )
    modes = _Modes(*pairs)
    lowest = min(float(schedule.t_of_sigma(noise_range(gaussian).low)), 0.5 * schedule.t_max)
    return [
        _row(name, grid, time_grid(schedule, n, grid, lowest), schedule, modes, count / count.sum())
        for name in solvers
        for grid in grids
        for n in steps
    ]


def as_text(rows: Iterable[SolverError]) -> str:
    """The table in columns, errors in per cent."""
    lines = [f"{'solver':<16}{'grid':<10}{'steps':>6}{'scores':>8}{'G(p), worst':>14}{'⟨φ²⟩':>12}{'action':>12}"]
    for r in rows:
        errors = f"{100 * r.propagator:>12.3g} %{100 * r.phi2:>+10.3g} %{100 * r.action:>+10.3g} %"
        lines.append(f"{r.solver:<16}{r.grid:<10}{r.steps:>6}{r.evaluations:>8}{errors}")
    return "\n".join(lines)


class _Modes:
    """Modes of different propagator, each by itself: score model, and modes of the exponential solvers.

    ``propagator`` is the field's, ``variance`` the assumed one, both of shape (modes,).
    """

    def __init__(self, propagator: np.ndarray, variance: np.ndarray) -> None:
        self.propagator, self.variance, self.evaluations = propagator, variance, 0

    def law(self, schedule: Schedule, t: float) -> np.ndarray:
        return float(schedule.f(t)) ** 2 * self.propagator + float(schedule.xi(t))

    def score(self, x: Tensor, f: float = 1.0, xi: float = 0.0) -> Tensor:
        self.evaluations += 1
        return x * torch.from_numpy(-1 / (f**2 * self.propagator + xi))

    def split(self, x: Tensor) -> Tensor:
        return x

    def join(self, modes: Tensor) -> Tensor:
        return modes


class _Kicks:
    """Noise of unit kicks: path i feels one at step i of the main stream, path steps + i at step i of any other."""

    def __init__(self, steps: int, offset: int = 0) -> None:
        self.steps, self.offset = steps, offset

    def of(self, stream: str) -> _Kicks:
        return _Kicks(self.steps, self.steps)

    def normal(self, step: int, shape: tuple[int, ...], dtype: torch.dtype, device: Any) -> Tensor:
        kick = torch.zeros(shape, dtype=dtype, device=device)
        kick[self.offset + step] = 1.0
        return kick


def _solver(name: str, modes: _Modes) -> Solver:
    if name not in FIELD_SOLVERS:
        raise ValueError(f"solver must be one of {', '.join(FIELD_SOLVERS)}, got {name!r}")
    stochastic = name == "exponential-sde"  # orders as in FIELD_SOLVERS
    return SOLVERS.get(name) or partial(
        integrate, callback=None, modes=modes, order=2 if stochastic else 3, stochastic=stochastic
    )


def _row(
    name: str, grid: str, times: np.ndarray, schedule: Schedule, modes: _Modes, weights: np.ndarray
) -> SolverError:
    """``weights`` (modes,) are the shares of the momenta that have each propagator."""
    solver, steps = _solver(name, modes), len(times) - 1
    x = torch.zeros(2 * steps + 1, len(weights), dtype=torch.float64)  # the last path bears the start's variance
    x[-1] = torch.from_numpy(np.sqrt(modes.law(schedule, times[0])))
    exact, modes.evaluations = modes.law(schedule, times[-1]), 0
    try:
        ratio = (solver(x, score_at(modes, schedule), schedule, times, _Kicks(steps)) ** 2).sum(0).numpy() / exact
    except FloatingPointError:
        ratio = np.full(len(weights), np.nan)
    phi2 = float(weights @ (ratio * exact) / (weights @ exact))
    return SolverError(
        name, grid, steps, modes.evaluations, float(np.abs(ratio - 1).max()), phi2 - 1, float(weights @ ratio) - 1
    )
