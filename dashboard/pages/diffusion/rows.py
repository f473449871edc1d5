"""The ensembles that the table compares: the data, and what each score makes out of noise."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from core.diffusion.correction import correct
from core.diffusion.field_gaussian import FieldGaussianScore
from core.diffusion.field_generate import generate_fields
from core.diffusion.field_run import FieldRun
from core.jobs import Token
from core.noise import Noise
from core.schedule import Schedule
from core.statistics.compare import compare
from core.statistics.free_field import free_observables
from core.statistics.measure import Measurement, measure
from core.theories.phi4 import Phi4
from dashboard.pages.diffusion.ensembles import Ensemble
from dashboard.pages.diffusion.library import StoredEnsemble
from dashboard.pages.diffusion.state import DiffusionState


@dataclass(frozen=True)
class Row:
    """One ensemble: observables by name as (value, error), with no error where they are exact; ``sigma`` is the signed
    difference to the data in joint standard errors. ``cost`` is (evaluations of the score, seconds); ``main`` marks the
    row of the score that ran."""

    title: str
    observables: Mapping[str, tuple[float, float | None]]
    sigma: Mapping[str, float]
    configurations: int = 0
    cost: tuple[int, float] | None = None
    acceptance: float | None = None
    main: bool = False


TITLES = {"learned": "Learned", "gaussian": "Gaussian baseline", "exact": "Exact score"}


def rows(
    state: DiffusionState,
    run: FieldRun,
    schedule: Schedule,
    kind: str,
    gaussian: FieldGaussianScore,
    data: Ensemble | StoredEnsemble,
    token: Token,
) -> list[Row]:
    """Data, Gaussian baseline, the score that ran, its correction, and the exact theory where that is known.

    The baseline and the correction are computed here, from the same noise.
    """
    theory, n = data.theory, len(run.generated)
    there = measured(theory, data.fields, token)
    found = [Row("Data", _values(there), {}, len(data.fields))]
    if kind == "learned":
        began = time.perf_counter()
        fields = generate_fields(
            gaussian, schedule, n, solver=str(state.solver), grid=str(state.grid), steps=int(state.steps),  # type: ignore[arg-type]
            prior=str(state.prior), noise=Noise(int(state.seed)).of("field/backward"), token=token,  # type: ignore[arg-type]
        )  # fmt: skip
        cost = (run.evaluations, time.perf_counter() - began)
        found.append(_row(TITLES["gaussian"], measured(theory, fields, token), there, n, cost))
    row = _row(TITLES[kind], measured(theory, run.generated, token), there, n, (run.evaluations, run.seconds))
    found.append(replace(row, main=True))
    if state.correction != "none":
        began = time.perf_counter()
        better = correct(
            theory, run.generated, str(state.correction), int(state.correction_steps),  # type: ignore[arg-type]
            Noise(int(state.seed)).of("correction"), token,  # type: ignore[arg-type]
        )  # fmt: skip
        seconds = run.seconds + time.perf_counter() - began
        title = f"… corrected, {better.steps} {str(state.correction).upper()}"
        row = _row(title, measured(theory, better.fields, token), there, n, (run.evaluations, seconds))
        found.append(replace(row, acceptance=better.acceptance))
    if theory.lam == 0:
        exact = free_observables(theory.free_propagator())
        differs = {
            name: (exact[name] - value) / error for name, (value, error) in _values(there).items()
            if name in exact and error
        }  # fmt: skip
        found.append(Row("Exact theory", {name: (value, None) for name, value in exact.items()}, differs))
    return found


def measured(theory: Phi4, fields: torch.Tensor, token: Token) -> Measurement:
    """All observables of independent configurations (n, *event)."""
    return measure(theory, [fields.numpy()[None]], independent=True, token=token)


def _row(title: str, here: Measurement, data: Measurement, n: int, cost: tuple[int, float]) -> Row:
    sigma = {name: both.sigma for name, both in compare(here, data).observables.items()}
    return Row(title, _values(here), sigma, n, cost)


def _values(found: Measurement) -> dict[str, tuple[float, float | None]]:
    return {name: (m.value, m.error if math.isfinite(m.error) else None) for name, m in found.observables.items()}
