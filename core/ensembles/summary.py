"""What a finished ensemble says about itself: acceptance, autocorrelation, and reasons to distrust it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from core.ensembles.plan import Plan
from core.statistics.autocorrelation import integrated_time
from core.statistics.diagnosis import drift_warnings, r_hat_warnings, wall_warnings
from core.statistics.walls import walls


def tau_of_abs_m(magnetisation: np.ndarray) -> float | None:
    """τ_int of |M| (chains, draws), in draws; None with fewer than four draws a chain, or if nothing is finite."""
    if magnetisation.shape[1] < 4 or not np.isfinite(magnetisation).all():
        return None
    return float(integrated_time(np.abs(magnetisation)).tau)


def mean_acceptance(acceptance: np.ndarray) -> float | None:
    """Mean over all configurations; None for an algorithm that decides nothing."""
    value = float(acceptance.mean())
    return value if math.isfinite(value) else None


def warnings_about(plan: Plan, scalars: dict[str, np.ndarray], last: np.ndarray) -> list[str]:
    """Sentences on why the ensemble may not be what it should.

    ``scalars`` are (chains, draws), ``last`` (n, *event) the last configurations of some chains.
    """
    found = list(plan.warnings)
    rate = mean_acceptance(scalars["acceptance"])
    if rate is not None and rate < 0.01 and not any("acceptance" in sentence for sentence in found):
        unit = plan.algorithm.unit
        found.append(f"the acceptance is {100 * rate:.2g} %: hardly any {unit} changes the field; take a smaller step.")
    if scalars["magnetisation"].shape[1] > 1:
        series = {"|M|": np.abs(scalars["magnetisation"]), "φ²": scalars["phi_squared"]}
        found += r_hat_warnings(series) + drift_warnings(series)
    return found + wall_warnings(walls(plan.theory, last)[:, None])


def report(plan: Plan, scalars: dict[str, np.ndarray], last: np.ndarray, seconds: float) -> dict[str, Any]:
    """The attributes ``acceptance``, ``tau_int``, ``seconds``, ``warnings``, ``notes``; nan for what there is not."""
    rate, tau = mean_acceptance(scalars["acceptance"]), tau_of_abs_m(scalars["magnetisation"])
    return {
        "acceptance": math.nan if rate is None else rate,
        "tau_int": math.nan if tau is None else tau,
        "seconds": seconds,
        "warnings": warnings_about(plan, scalars, last),
        "notes": list(plan.notes),
    }
