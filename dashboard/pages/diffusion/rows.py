"""The ensembles that the table compares: the data, and what each score makes out of noise."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.diffusion.field_generate import generate_fields
from core.jobs import Token
from core.noise import Noise
from core.statistics import published
from core.statistics.compare import compare
from core.statistics.errors import Measured
from core.statistics.format import with_error
from core.statistics.free_field import free_observables
from core.statistics.measure import TITLES as OBSERVABLES
from core.statistics.measure import Measurement
from dashboard.pages.diffusion.data import measured
from dashboard.pages.diffusion.outcome import Outcome
from dashboard.pages.diffusion.state import DiffusionState


@dataclass(frozen=True)
class Row:
    """One ensemble: observables by name as (value, error), with no error where they are exact; ``sigma`` is the signed
    difference to the data in joint standard errors. ``cost`` is (evaluations of the score, seconds); ``main`` marks the
    row of the score that ran. ``acceptance`` and ``ess`` (0 … 1) are those of a correction. ``below`` has words that
    stand below a value, ``remark`` a sentence on the row, ``problem`` one in place of its values."""

    title: str
    observables: Mapping[str, tuple[float, float | None]]
    sigma: Mapping[str, float]
    configurations: int = 0
    cost: tuple[float, float] | None = None
    acceptance: float | None = None
    main: bool = False
    ess: float | None = None
    below: Mapping[str, str] | None = None
    remark: str = ""
    problem: str = ""


TITLES = {"learned": "Learned", "gaussian": "Gaussian baseline", "exact": "Exact score"}


def rows(state: DiffusionState, outcome: Outcome, there: Measurement, token: Token) -> list[Row]:
    """Data, Gaussian baseline, the score that ran, the exact theory where that is known, and published figures.

    ``there`` are the data. The baseline is computed here, from the same noise.
    """
    run, schedule, score, theory = outcome.run, outcome.schedule, outcome.score, there.theory
    n = len(run.generated)
    title = "Data, other half" if score.fitted else "Data"
    found = [Row(title, values(there), {}, there.n_configs, remark=FITTED if score.fitted else "")]
    if score.kind == "learned":
        began = time.perf_counter()
        fields = generate_fields(
            score.gaussian, schedule, n, solver=str(state.solver), grid=str(state.grid), steps=int(state.steps),  # type: ignore[arg-type]
            prior=str(state.prior), noise=Noise(int(state.seed)).of("field/backward"), token=token,  # type: ignore[arg-type]
        )  # fmt: skip
        cost = (run.evaluations, time.perf_counter() - began)
        found.append(row(TITLES["gaussian"], measured(theory, fields, token), there, cost))
    made = row(TITLES[score.kind], measured(theory, run.generated, token), there, (run.evaluations, run.seconds))
    found.append(replace(made, main=True))
    if theory.lam == 0:
        exact = free_observables(theory.free_propagator())
        differs = {
            name: (exact[name] - value) / error for name, (value, error) in values(there).items()
            if name in exact and error
        }  # fmt: skip
        found.append(Row("Exact theory", {name: (value, None) for name, value in exact.items()}, differs))
    if published.belongs_to(theory):
        found.append(_published(there))
    return found


FITTED = (
    "The score is fitted to one half of the data and held against the other, so that what the fit took over by chance "
    "does not count as agreement."
)


def row(title: str, here: Measurement, data: Measurement, cost: tuple[float, float]) -> Row:
    """What an ensemble shows beside the data."""
    sigma = {name: both.sigma for name, both in compare(here, data).observables.items()}
    return Row(title, values(here), sigma, here.n_configs, cost)


def values(found: Measurement) -> dict[str, tuple[float, float | None]]:
    """Observables by name with their errors, None where these are not known."""
    return {name: _pair(m) for name, m in found.observables.items()}


def _published(there: Measurement) -> Row:
    """The published cumulants, with the ratios in which alone they compare."""
    below = {}
    for name, ratio in published.ratios().items():
        own = there.observables[name]
        below[name.removesuffix("_ratio")] = (
            f"{OBSERVABLES[name]} = {with_error(ratio.value, ratio.error)}; data {with_error(*_pair(own))}"
        )
    cumulants = {name: _pair(m) for name, m in published.CUMULANTS.items()}
    return Row(published.TITLE, cumulants, {}, below=below, remark=published.CAVEAT)


def _pair(m: Measured) -> tuple[float, float | None]:
    return m.value, m.error if math.isfinite(m.error) else None
