"""Where the errors of a generated ensemble come from: prior, discretisation, cut-off, score and statistics.

Every column is the difference that one exact part makes, put in the place of the part that was used, while all random
numbers stay as they were:

    generated     the process as it was asked for
    ↓ discretisation    the Gaussian-exact integrator on a grid many times as fine, to the same lowest level
    ↓ cut-off           the same, the score being asked further down, to a quarter of the usual lowest level
    ↓ prior             the same from data dissolved by the exact forward process: the exact prior
    ↓ score             what is left: the difference from the data
    data

So the columns add up to ``total`` = generated - data. A stochastic process feels the same Brownian path on the fine
grid as on the coarse one, and every start has the same normal deviates; errors are those of the differences, from a
jackknife of blocks in which path i and the configuration that was dissolved for it stand together. For a free field
with its exact score every column vanishes within its error, for the probability flow with the exponential solver to
rounding.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.contracts import ScoreModel, Tensor
from core.devices import pick_device
from core.diffusion.backward import euler_warning
from core.diffusion.budget_runs import Runs
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import GRID, SOLVER, STEPS, Report, baseline_of
from core.diffusion.field_noise import prior_warning, schedule_warning
from core.diffusion.paired_paths import PairedPaths, difference
from core.jobs import Token
from core.noise import Noise
from core.schedule import Schedule
from core.statistics.format import thousands, with_error
from core.statistics.jackknife import Estimate
from core.statistics.measure import TITLES
from core.theories.phi4 import Phi4

COLUMNS = ("prior", "discretisation", "cut-off", "score")
"""The systematic errors, in the order in which tables have them."""
_DIFFERENCES = {
    "prior": ("deep", "exact"),
    "discretisation": ("used", "fine"),
    "cut-off": ("fine", "deep"),
    "score": ("exact", "data"),
    "total": ("used", "data"),
    "prior, matched": ("matched", "exact"),
}
REFERENCE_STEPS = 300
"""Steps of the fine grid, at least."""
NEGLIGIBLE = 5e-4
"""What is smaller than this, in per cent or in σ, is printed as 0."""
ROUNDING = 1e-6
"""Relative rounding error of averages over single-precision fields after a long process; part of every error."""


@dataclass(frozen=True, eq=False)
class ErrorBudget:
    """The parts of a generated ensemble's errors.

    ``names`` are the observables, those of ``core.statistics.measure``. ``columns`` has for each of COLUMNS, for
    ``total`` and for ``prior, matched`` (the error that the matched prior would have) an Estimate of shape
    (observables,): signed, generated minus exact, with the errors of paired differences. ``data`` and ``generated``
    are the values themselves. ``n`` paths were made, ``data_n`` configurations are in the data.
    """

    names: tuple[str, ...]
    columns: dict[str, Estimate]
    data: Estimate
    generated: Estimate
    n: int
    data_n: int
    solver: str
    grid: str
    steps: int
    reference_steps: int
    lowest: float
    prior: str
    warnings: tuple[str, ...]
    seconds: float

    @property
    def statistics(self) -> np.ndarray:
        """Statistical error (observables,) of generated minus data, taken as independent of each other."""
        return np.hypot(self.generated.error, self.data.error)

    @property
    def per_cent(self) -> np.ndarray:
        """What to multiply a column by to have it in per cent of the data; nan where these are 0 within 3 errors."""
        known = np.abs(self.data.value) > 3 * self.data.error
        return np.where(known, 100 / np.where(known, np.abs(self.data.value), 1.0), np.nan)

    @property
    def per_sigma(self) -> np.ndarray:
        """The same for units of ``statistics``: what a column does to a comparison of these two ensembles."""
        with np.errstate(divide="ignore"):
            return 1 / self.statistics

    def as_text(self) -> str:
        """Three tables: values, and every column in per cent and in units of the statistical error."""
        lines = [
            f"{self.solver}, {self.steps} steps on the {self.grid} grid, {self.prior} prior, down to "
            f"σ̃ = {self.lowest:.3g}: {thousands(self.n)} paths against {thousands(self.data_n)} configurations",
            "",
            _row("", ["data", "generated", "generated − data", "in σ"]),
        ]
        totals = self.columns["total"].value
        for k, name in enumerate(self.names):
            both = [with_error(e.value[k], e.error[k]) for e in (self.data, self.generated)]
            total = with_error(totals[k], self.columns["total"].error[k])
            lines.append(_row(TITLES[name], [*both, total, f"{totals[k] / self.statistics[k]:+.1f}"]))
        for title, scale in (("per cent of the data", self.per_cent), ("σ of the difference", self.per_sigma)):
            lines += ["", _row(f"in {title}", [*COLUMNS, "total", "statistics"])]
            shown = [self.columns[column] for column in (*COLUMNS, "total")]
            for k, name in enumerate(self.names):
                both = [(e.value[k] * scale[k], e.error[k] * scale[k]) for e in shown]
                lines.append(_row(TITLES[name], [*(_cell(*b) for b in both), _cell(self.statistics[k] * scale[k])]))
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Plain numbers, None for what is not known: settings, values, and columns by observable."""
        by_name = {column: self._by_name(found) for column, found in self.columns.items()}
        return {
            "solver": self.solver, "grid": self.grid, "steps": self.steps, "reference_steps": self.reference_steps,
            "lowest": self.lowest, "prior": self.prior, "n": self.n, "data_n": self.data_n, "seconds": self.seconds,
            "data": self._by_name(self.data), "generated": self._by_name(self.generated),
            "columns": by_name,
            "statistics": {name: _known(x) for name, x in zip(self.names, self.statistics, strict=True)},
            "warnings": list(self.warnings),
        }  # fmt: skip

    def _by_name(self, found: Estimate) -> dict[str, dict[str, float | None]]:
        both = zip(self.names, found.value, found.error, strict=True)
        return {name: {"value": _known(value), "error": _known(error)} for name, value, error in both}


def error_budget(
    score: ScoreModel,
    data: Tensor,
    schedule: Schedule,
    *,
    theory: Phi4 | None = None,
    gaussian: FieldGaussianScore | None = None,
    n: int = 4096,
    solver: str = SOLVER,
    grid: str = GRID,
    steps: int = STEPS,
    lowest: float | None = None,
    prior: str = "matched",
    reference_steps: int = REFERENCE_STEPS,
    seed: int = 0,
    device: str = "cpu",
    token: Token | None = None,
    progress: Report | None = None,
) -> ErrorBudget:
    """The errors of ``n`` configurations made with this score, against ``data``.

    ``data`` are independent configurations (N, *event), or Markov chains (chains, draws, *event), see ``PairedPaths``.
    ``theory`` gives the action density (by default that of the score, if it has one);
    ``gaussian`` the prior and what the exponential solvers take as known (by default the score's own). ``solver``,
    ``grid``, ``steps``, ``lowest`` and ``prior`` are those of ``field_generate.generate_fields``. Path i starts, for
    the exact prior, from a configuration of its own, as far as there are enough. ``progress(done, n)`` counts paths.
    Costs some 2 ``reference_steps`` evaluations a path, 3 with the papers' prior.

    Raises ValueError for arguments out of range, FloatingPointError when a process diverges, Cancelled once ``token``
    is.
    """
    began = time.perf_counter()
    gaussian, where = gaussian or baseline_of(score), pick_device(device)
    paths = PairedPaths(data, gaussian.event, n, theory or getattr(score, "theory_object", None))
    runs = Runs(score, gaussian, schedule, solver, grid, steps, lowest, prior, reference_steps, where)
    noise = Noise(seed).of("budget")
    of_runs = paths.run(lambda start, own: runs.ends(start, own, token), noise, where, token, progress)
    found = paths.observables(of_runs, token)
    values, errors = found.estimate
    row = {name: k for k, name in enumerate(("data", *runs.names))}
    rounding = ROUNDING * np.abs(values[row["data"]])
    columns = {}
    for column, (a, b) in _DIFFERENCES.items():
        value, error = difference(found, row[a], row[b])
        columns[column] = Estimate(value, np.hypot(error, rounding))
    of_data, generated = (Estimate(values[row[name]], errors[row[name]]) for name in ("data", "used"))
    return ErrorBudget(
        paths.names, columns, of_data, generated, n, len(paths.data), solver, grid, steps, len(runs.fine) - 1,
        runs.lowest, prior, _warnings(schedule, gaussian, solver, prior, runs.coarse), time.perf_counter() - began,
    )  # fmt: skip


def _warnings(
    schedule: Schedule, gaussian: FieldGaussianScore, solver: str, prior: str, times: np.ndarray
) -> tuple[str, ...]:
    said = [schedule_warning(schedule, gaussian)]
    if solver == "euler":
        said.append(euler_warning(schedule, times, float(gaussian.connected.min())))
    if prior == "noise":
        said.append(prior_warning(schedule, gaussian))
    return tuple(sentence for sentence in said if sentence)


def _row(title: str, cells: list[str]) -> str:
    return f"{title:<26}" + "".join(f"{cell:>18}" for cell in cells)


def _cell(value: float, error: float = 0.0) -> str:
    if math.isnan(value):
        return "–"
    if max(abs(value), error) < NEGLIGIBLE:
        return "0.00"
    return with_error(value, error) if error else f"{value:.2g}"


def _known(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None
