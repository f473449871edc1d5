"""The health of a run in plain words: what a person should know before trusting its numbers."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from core.statistics import convergence, diagnosis
from core.statistics.errors import Measured, as_chains, mean
from core.statistics.format import thousands, with_error
from core.statistics.measure import Measurement

Level = Literal["green", "amber", "red", "grey"]

FEWEST_DRAWS = 20
"""Draws of a chain before anything is said about thermalisation."""
WANTED = 0.01
"""The relative error of ⟨|M|⟩ that ``precision`` counts down to."""


class Check(NamedTuple):
    """One line of the card: ``name`` of what was checked, how it looks, and a ``sentence`` that says so.

    green: as it should be; amber: look again; red: do not trust the numbers; grey: not known (yet).
    """

    name: str
    level: Level
    sentence: str


def health(
    m: np.ndarray,
    phi2: np.ndarray,
    *,
    acceptance: float | None = None,
    boltzmann: tuple[float, float] | None = None,
    reversibility: float | None = None,
    walls: float | None = None,
    independent: bool = False,
    unit: str = "sweep",
    per_draw: float = 1.0,
    longer: tuple[Measured, int] | None = None,
) -> list[Check]:
    """Seven checks: thermalised, acceptance, ⟨e^{-ΔH}⟩ = 1, reversibility, walls, τ_int, precision.

    ``m`` and ``phi2`` are M and V⁻¹ Σ φ² of each configuration, (chains, draws), the beginning left out. ``acceptance``
    is a fraction; ``boltzmann`` the value and error of ⟨e^{-ΔH}⟩ (see ``boltzmann_average``); ``reversibility`` the
    largest |Δφ| after a trajectory there and back; ``walls`` the fraction of configurations with domain walls. What is
    None is not known, and grey. ``unit`` names one update of a chain, of which a draw takes ``per_draw``. ``longer``
    is ⟨|M|⟩ from more draws of each chain than the series have, and their number, for the precision.
    """
    abs_m, phi2 = np.abs(as_chains(m)), as_chains(phi2)
    measured = mean(abs_m, independent)
    best, draws = longer or (measured, abs_m.shape[1])
    return [
        thermalised({"|M|": abs_m, "φ²": phi2}, independent),
        accepted(acceptance),
        energy_conserved(boltzmann),
        reversible(reversibility),
        without_walls(walls),
        autocorrelation_known(measured, abs_m.shape[0], abs_m.shape[1], independent),
        precision(best, abs_m.shape[0], abs_m.shape[0] * draws, unit, per_draw),
    ]


def health_of(measurement: Measurement, acceptance: float | None = None, unit: str = "draw") -> list[Check]:
    """The same card for an ensemble from a file."""
    return health(
        measurement.series["m"], measurement.series["phi2"], acceptance=acceptance,
        walls=measurement.observables["walls"].value, independent=measurement.independent, unit=unit,
    )  # fmt: skip


def boltzmann_average(log_ratio: np.ndarray) -> tuple[float, float]:
    """⟨e^{-ΔH}⟩ and its error from log A = -ΔH of every proposal, (chains, draws)."""
    found = mean(np.exp(np.minimum(log_ratio, 50.0)))
    return found.value, found.error


def thermalised(series: dict[str, np.ndarray], independent: bool = False) -> Check:
    """Do chains, starts and halves of the run agree on each of the named ``series`` (chains, draws)?"""
    name = "thermalised"
    if independent:
        return Check(name, "grey", "Independent draws: there are no chains whose starts could be compared.")
    chains, draws = next(iter(series.values())).shape
    if draws < FEWEST_DRAWS:
        return Check(name, "grey", f"Too early to tell: {draws} of at least {FEWEST_DRAWS} draws.")
    if found := diagnosis.drift_warnings(series):
        return Check(name, "red", found[0])
    if found := diagnosis.r_hat_warnings(series):
        return Check(name, "amber", found[0])
    if chains < 2:
        return Check(name, "amber", "The halves of the run agree, but a single chain cannot be compared with others.")
    worst = max(convergence.r_hat(values) for values in series.values())
    return Check(name, "green", f"Starts and halves of the run agree; R̂ = {worst:.3f} on {' and '.join(series)}.")


def accepted(rate: float | None) -> Check:
    """Is the acceptance that of a sensible step size?"""
    name = "acceptance"
    if rate is None or math.isnan(rate):
        return Check(name, "grey", "No proposals are decided on.")
    percent = f"{100 * rate:.3g} % of the proposals are accepted"
    if rate == 0:
        return Check(name, "red", "Every proposal is refused: the field stands still. Take a smaller step.")
    if rate < 0.3:
        return Check(name, "red" if rate < 0.05 else "amber", f"Only {percent}; a smaller step would do better.")
    if rate > 0.98:
        return Check(name, "amber", f"{percent}; a larger step would do better.")
    return Check(name, "green", f"{percent}.")


def energy_conserved(boltzmann: tuple[float, float] | None) -> Check:
    """Is ⟨e^{-ΔH}⟩ = 1, as it is in equilibrium for any integrator that conserves phase space and is reversible?"""
    name = "⟨exp(−ΔH)⟩ = 1"
    if boltzmann is None or not all(math.isfinite(number) for number in boltzmann):
        return Check(name, "grey", "Not known, or this algorithm has no ΔH.")
    value, error = boltzmann
    deviation = abs(value - 1) / error if error > 0 else (0.0 if value == 1 else math.inf)
    sentence = f"⟨exp(−ΔH)⟩ = {with_error(value, error)}, {diagnosis.sigmas(deviation)} from 1."
    if deviation > diagnosis.SIGNIFICANT:
        return Check(name, "red", f"{sentence} The chains are not in equilibrium, or the integrator is wrong.")
    return Check(name, "amber" if deviation > 3 or error > 0.1 else "green", sentence)


def reversible(difference: float | None) -> Check:
    """Does a trajectory run backwards return to its start, to rounding?"""
    name = "reversibility"
    if difference is None:
        return Check(name, "grey", "Not known, or this algorithm has no trajectories.")
    sentence = f"A trajectory there and back misses its start by {difference:.1e}."
    if not difference < 0.05:
        return Check(name, "red", f"{sentence} It is unstable: take a smaller step.")
    return Check(name, "amber" if difference > 1e-3 else "green", sentence)


def without_walls(fraction: float | None) -> Check:
    """Are there domain walls that equilibrium would not have?"""
    name = "walls"
    if fraction is None or math.isnan(fraction):
        return Check(name, "grey", "Not looked for yet.")
    if fraction > 0:
        level: Level = "red" if fraction > diagnosis.FEW else "amber"
        return Check(
            name, level, f"{100 * fraction:.3g} % of the configurations hold a wall, not an equilibrium state."
        )
    return Check(name, "green", "No domain walls but those that equilibrium has.")


def autocorrelation_known(measured: Measured, chains: int, draws: int, independent: bool = False) -> Check:
    """Is the run long enough for its τ_int, and so for its errors?"""
    name = "τ_int"
    if independent:
        return Check(name, "green", "Independent draws: τ_int = ½.")
    if math.isnan(measured.tau_int):
        return Check(name, "grey", "Not known: a chain needs at least four draws.")
    tau = with_error(measured.tau_int, measured.tau_int_error)
    length = chains * draws / measured.tau_int
    if diagnosis.length_warnings({"|M|": measured}, chains, draws):
        sentence = (
            f"τ_int of |M| is about {tau} draws, and the run only {_times(length)} times as long: errors may be small."
        )
        return Check(name, "red" if length < 10 else "amber", sentence)
    return Check(name, "green", f"τ_int of |M| is {tau} draws, and the run {_times(length)} times as long.")


def _times(number: float) -> str:
    """Two digits, without a power of ten."""
    return thousands(int(float(f"{number:.2g}"))) if number >= 10 else f"{number:.2g}"


def precision(measured: Measured, chains: int, configurations: int, unit: str = "sweep", per_draw: float = 1) -> Check:
    """How many more updates of every chain until the error of ⟨|M|⟩ is 1 %?"""
    name = "precision"
    if not (math.isfinite(measured.error) and measured.value > 0):
        return Check(name, "grey", "The error of |M| is not known yet.")
    relative = measured.error / measured.value
    now = f"|M| = {with_error(measured.value, measured.error)}, an error of {100 * relative:.2g} %"
    if relative <= WANTED:
        return Check(name, "green", f"{now}.")
    more = math.ceil(configurations * ((relative / WANTED) ** 2 - 1) / chains * per_draw)
    updates = unit[:-1] + "ies" if unit.endswith("y") else unit + "s"
    every = "" if chains == 1 else " of every chain"
    return Check(name, "amber", f"{now}; about {thousands(more)} more {updates}{every} make it 1 %.")
