"""How far every solver is off after so many evaluations of a trained score: the error of its steps alone.

The paths of every run have the same start, and the reference the same one: the exponential solver on a grid many times
as fine, down to the level where the run ends. The probability flow has one reference for all; a stochastic process has
one for each of its grids, which feels the same Brownian path (``core.diffusion.coarse_noise``). So a difference is the
discretisation's, with the small error of paired differences, and neither the score's nor that of statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from core.contracts import ScoreFunction, ScoreModel, Tensor, score_at
from core.devices import pick_device
from core.diffusion.budget_runs import FLOWS
from core.diffusion.coarse_noise import CoarseNoise
from core.diffusion.exponential import FIELD_SOLVERS, exponential
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import GRID, backward_times, baseline_of, chunk_size
from core.diffusion.field_noise import noise_range, schedule_reaching
from core.jobs import Token, map_chunks, one_thread
from core.noise import Noise
from core.schedule import Schedule
from core.statistics.averages import averages
from core.statistics.errors import Measured
from core.theories.phi4 import Phi4

NAMES = ("phi2", "action", "abs_m")
"""⟨φ²⟩, S/V and ⟨|M|⟩, by their names in ``core.statistics.measure``."""
_COLUMNS = (3, 7, 0)  # of them in ``averages``
EVALUATIONS = (10, 30, 100)
CONFIGS, REFERENCE = 64, 200
FLOW = "flow"  # key of the reference that all flows share


@dataclass(frozen=True)
class SolverErrors:
    """One solver on one grid: run minus reference by NAMES, with the error of the paired difference, nan where the
    solver diverges; ``sigma`` is the spread of a single configuration, so that ``sigma``/√N is the statistical error of
    N of them."""

    solver: str
    grid: str
    steps: int
    evaluations: int
    difference: dict[str, Measured]
    sigma: dict[str, float]


def solver_errors(
    score: ScoreModel,
    theory: Phi4,
    *,
    solvers: Iterable[str] = tuple(FIELD_SOLVERS),
    grids: Iterable[str] = (GRID,),
    evaluations: Iterable[int] = EVALUATIONS,
    n: int = CONFIGS,
    reference: int = REFERENCE,
    schedule: Schedule | None = None,
    seed: int = 0,
    device: str = "cpu",
    token: Token | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Iterator[SolverErrors]:
    """A row for every solver, grid and number of evaluations, as far as that many make two steps.

    ``reference`` is the least number of steps of a reference; ``schedule`` by default the VE one that the field needs.
    ``progress(what, done, total)`` tells before each row which it is, and how many of them are done. Raises ValueError
    for an unknown name, fewer than two paths, or a score without a Gaussian baseline.
    """
    if n < 2:
        raise ValueError(f"n must be at least 2 paths, got {n}")
    gaussian = baseline_of(score)
    schedule = schedule or schedule_reaching("ve", noise_range(gaussian).high)
    runs = _Paired(score, gaussian, theory, schedule, n, reference, Noise(seed, "solver errors"), device, token)
    asked, wanted = tuple(evaluations), []
    for solver in solvers:
        if solver not in FIELD_SOLVERS:
            raise ValueError(f"solver must be one of {', '.join(FIELD_SOLVERS)}, got {solver!r}")
        each, more = _calls(solver, gaussian, schedule)
        steps = [(most - more) // each for most in asked]
        wanted += [(solver, grid, n, each * n + more) for grid in grids for n in steps if n >= 2]
    for done, (solver, grid, n, calls) in enumerate(wanted):
        progress(f"{solver} on {grid}, {calls} evaluations", done, len(wanted))
        yield runs.row(solver, grid, n, calls)


class _Paired:
    """Runs and references of the same paths, the references kept."""

    def __init__(
        self, score: ScoreModel, gaussian: FieldGaussianScore, theory: Phi4, schedule: Schedule, n: int, reference: int,
        noise: Noise, device: str, token: Token | None,
    ) -> None:  # fmt: skip
        self.at: ScoreFunction = score_at(score, schedule)
        self.gaussian, self.theory, self.schedule, self.n = gaussian, theory, schedule, n
        self.reference, self.noise, self.token, self.device = reference, noise, token, pick_device(device)
        self._kept: dict[object, tuple[np.ndarray, np.ndarray]] = {}

    def row(self, solver: str, grid: str, steps: int, evaluations: int) -> SolverErrors:
        coarse = backward_times(self.gaussian, self.schedule, solver=solver, grid=grid, steps=steps)
        fine = self._fine(solver, grid, coarse)
        # A run to t = 0 is held against the end of the reference, any other against where it is at the same level.
        ends = self._reference(solver, fine)[int(coarse[-1] != 0)]
        try:
            made = self._made(
                lambda x, way: FIELD_SOLVERS[solver](self.gaussian)(
                    x, self.at, self.schedule, coarse,
                    way if solver in FLOWS else CoarseNoise(way, self.schedule, fine, coarse), self._look,
                )
            )[:, 0]  # fmt: skip
        except FloatingPointError:
            made = np.full_like(ends, np.nan)
        change = made - ends
        error = change.std(axis=0, ddof=1) / math.sqrt(self.n)
        return SolverErrors(
            solver, grid, steps, evaluations,
            {name: Measured(float(change[:, k].mean()), float(error[k])) for k, name in enumerate(NAMES)},
            {name: float(ends[:, k].std(ddof=1)) for k, name in enumerate(NAMES)},
        )  # fmt: skip

    def _fine(self, solver: str, grid: str, coarse: np.ndarray) -> np.ndarray:
        """Times of the reference, with t = 0 after the lowest level."""
        if solver in FLOWS:
            return backward_times(self.gaussian, self.schedule, grid=GRID, steps=self.reference)
        gridded = len(coarse) - 1 - int(coarse[-1] == 0)
        refinement = max(2, -(-self.reference // gridded))
        fine = backward_times(self.gaussian, self.schedule, grid=grid, steps=gridded * refinement + 1)
        fine[:-1:refinement] = coarse[: gridded + 1]  # equal but for rounding
        return fine

    def _reference(self, solver: str, fine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Averages (n, 3) at t = 0, and at the lowest level."""
        flows = solver in FLOWS
        key = FLOW if flows else fine.tobytes()
        if key not in self._kept:
            solve = exponential(self.gaussian, order=3) if flows else exponential(self.gaussian, stochastic=True)
            last = len(fine) - 2

            def both(x: Tensor, way: Noise) -> Tensor:
                lowest = x

                def keep(step: int, t: float, x: Tensor) -> None:
                    nonlocal lowest
                    self._look(step, t, x)
                    if step == last:
                        lowest = x

                end = solve(x, self.at, self.schedule, fine, way, keep)
                return torch.stack([end, lowest], dim=1)

            found = self._made(both)
            self._kept[key] = found[:, 0], found[:, 1]
        return self._kept[key]

    def _made(self, run) -> np.ndarray:
        """Averages (n, ends, 3) of what ``run(start, noise)`` makes, one or several ends (paths, ends, *event)."""
        t = self.schedule.t_max
        level = float(self.schedule.f(t)), float(self.schedule.xi(t))

        def work(first: int, count: int) -> np.ndarray:
            own = self.noise.starting_at(first)
            x = run(self.gaussian.draw_prior(count, *level, own).to(self.device), own.of("way"))
            x = x if x.ndim == self.theory.d + 2 else x[:, None]
            found = averages(x.flatten(0, 1), self.theory)[:, list(_COLUMNS)]
            return found.reshape(count, x.shape[1], len(NAMES))

        if self.device.type != "cpu":
            return work(0, self.n)
        with one_thread():
            return np.concatenate(map_chunks(work, self.n, chunk_size(self.n, self.theory.volume), self.token))

    def _look(self, step: int, t: float, x: Tensor) -> None:
        if self.token is not None:
            self.token.check()


def _calls(solver: str, gaussian: FieldGaussianScore, schedule: Schedule) -> tuple[int, int]:
    """Evaluations a step, and further ones, counted on one path of the Gaussian."""
    counts = []
    for steps in (4, 8):
        asked = 0

        def at(x: Tensor, t: float) -> Tensor:
            nonlocal asked
            asked += 1
            return score_at(gaussian, schedule)(x, t)

        times = backward_times(gaussian, schedule, solver=solver, steps=steps, grid=GRID)
        x = torch.zeros(1, *gaussian.event)
        FIELD_SOLVERS[solver](gaussian)(x, at, schedule, times, Noise(0), None)
        counts.append(asked)
    each = (counts[1] - counts[0]) // 4
    return each, counts[0] - 4 * each
