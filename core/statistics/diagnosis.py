"""What is wrong with an ensemble, if anything, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from core.statistics import convergence
from core.statistics.errors import Measured
from core.statistics.format import MINUS, thousands
from core.statistics.schwinger_dyson import SchwingerDyson
from core.statistics.walls import NATURAL_COST, pair_cost
from core.theories.phi4 import Phi4

SIGNIFICANT = 4.5
"""Standard errors from which on a difference counts; by chance once in 150 000 times."""
ENOUGH_TIMES = 50
"""Autocorrelation times that a τ_int with an error of its own takes."""
CHAIN_TIMES = 10
"""Autocorrelation times that each chain takes, so that the correlation has died out within it."""
FEW = 0.005
"""Fraction of configurations with walls, or with a small |M|, that is not worth a word."""


def r_hat_warnings(series: Mapping[str, np.ndarray]) -> list[str]:
    """Where the chains of the ``series`` (chains, draws) disagree; keys are the names for the sentences, |M| and φ²."""
    found = []
    for name, values in series.items():
        r_hat = convergence.r_hat(values)
        if r_hat > convergence.r_hat_limit(values):
            size = f"= {r_hat:.3f}" if r_hat < 100 else "> 100"
            found.append(
                f"Not thermalised, or too short: R̂ {size} on {name} is above {convergence.R_HAT_LIMIT:g}, the "
                "chains have not forgotten where they started."
            )
    return found


def drift_warnings(series: Mapping[str, np.ndarray]) -> list[str]:
    """Where the halves of the run disagree, or chains of even and of odd number; ``series`` as above."""
    found = []
    for name, values in series.items():
        change = convergence.halves_differ_by(values)
        if abs(change) > SIGNIFICANT:
            found.append(
                f"Not thermalised: {name} in the second half of the run differs from the first by {sigmas(change)}."
            )
        difference = convergence.starts_differ_by(values)
        if abs(difference) > SIGNIFICANT:
            found.append(
                f"Not thermalised: the starts disagree, {name} differs by {sigmas(difference)} between chains of even "
                "and of odd number, which start with positive and negative sign."
            )
    return found


def length_warnings(measured: Mapping[str, Measured], chains: int, draws: int) -> list[str]:
    """For the longest τ_int among the ``measured`` (by the names that the sentence gives them)."""
    name, tau = longest(measured)
    if math.isnan(tau):
        return []
    if chains * draws >= ENOUGH_TIMES * tau and (tau <= 1 or draws >= CHAIN_TIMES * tau):
        return []
    return [
        f"The chains are too short: τ_int of {name} is about {tau:.3g} draws, and {thousands(chains)} "
        f"{'chain' if chains == 1 else 'chains'} of {thousands(draws)} draws leave errors that may be too small."
    ]


def longest(measured: Mapping[str, Measured]) -> tuple[str, float]:
    """Name and τ_int of the slowest; nan where none is known."""
    known = {name: m.tau_int for name, m in measured.items() if not math.isnan(m.tau_int)}
    name = max(known, key=lambda n: known[n], default="")
    return name, known.get(name, math.nan)


def wall_warnings(walls: np.ndarray) -> list[str]:
    """Of 0 or 1 for each configuration, (chains, draws)."""
    fraction = float(np.mean(walls))
    if fraction <= FEW:
        return []
    last = float(np.mean(walls[:, -1])) if walls.shape[1] > 1 else fraction
    persist = f", and {100 * last:.3g} % of the last ones" if walls.shape[1] > 1 and len(walls) > 1 else ""
    return [
        f"Not in equilibrium: {100 * fraction:.3g} % of the configurations hold a domain wall{persist}; walls "
        "have no weight so deep in the broken phase, and stay after a hot start."
    ]


def magnetisation_warnings(theory: Phi4, m: np.ndarray) -> list[str]:
    """Of M of configurations whose order is not known: is |M| spread to small values, as hot starts leave it?"""
    size = np.abs(np.ravel(m))
    usual = float(np.quantile(size, 0.95))
    if float(pair_cost(theory, usual)) < NATURAL_COST:
        return []
    small = float(np.mean(size < usual / 2))
    if small <= FEW:
        return []
    return [
        f"The distribution of |M| looks like that of a hot start: it reaches {usual:.3g}, yet {100 * small:.3g} % of "
        "the configurations have less than half of that."
    ]


def sign_warnings(m: np.ndarray) -> list[str]:
    """Where all configurations (at least 8) have M of one sign."""
    if m.size < 8 or not (np.all(m > 0) or np.all(m < 0)):
        return []
    sign = "positive" if np.all(m > 0) else "negative"
    return [
        f"Only one sign was visited: M is {sign} in all configurations. All estimators but m are symmetrised "
        f"under φ → {MINUS}φ, so that this does not matter to them."
    ]


def schwinger_dyson_warnings(check: SchwingerDyson) -> list[str]:
    """Where the equation is violated."""
    if not abs(check.deviation) > SIGNIFICANT:
        return []
    if math.isinf(check.deviation):
        return [
            f"The Schwinger–Dyson equation is violated: it reads {check.measured.value:.3g} = 1 in all configurations; "
            "they do not fluctuate, so that the number of σ is undefined."
        ]
    return [
        f"The Schwinger–Dyson equation is violated by {sigmas(check.deviation)}: other couplings, the bias of a "
        "Langevin step, or errors that are too small. (It tests each site and its neighbours, not thermalisation.)"
    ]


def count_warnings(chains: int, draws: int, independent: bool) -> list[str]:
    """Where there are too few configurations for an error."""
    if chains * draws == 1:
        return ["A single configuration has no errors."]
    if chains == 1 and draws < 4 and not independent:
        return [f"A chain of {draws} configurations is too short for errors."]
    return []


def sigmas(deviation: float) -> str:
    """A deviation in words: "5.2 σ"."""
    return f"{abs(deviation):.1f} σ" if math.isfinite(deviation) else "more than any error"
