"""Two ensembles side by side: each observable with the difference in σ, and one χ² that knows the correlations.

The ensembles are taken as statistically independent of each other. Whether they are is checked as far as numbers can
tell: configurations that occur in both, and a correlation draw by draw, are said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.statistics.diagnosis import SIGNIFICANT
from core.statistics.errors import ROUNDING, Measured, block_length, cut, mean
from core.statistics.format import thousands
from core.statistics.hotelling import NOTHING, Joint, joint
from core.statistics.jackknife import Jackknifed, jackknife
from core.statistics.measure import TITLES, Measurement
from core.theories.phi4 import Phi4

JOINT = ("abs_m", "m2", "m4", "spectrum", "phi2", "phi4", "phi6", "phi8", "action")
"""Averages whose χ² is taken, by the names of ``Measurement.series``. The observables are functions of them, but for m,
a matter of signs, and walls. Averages are linear in the data, so that their covariance is all there is to know, however
strongly they are correlated; of functions of them the curvature would matter where they nearly depend on each other."""
JOINT_TITLES = TITLES | {"m2": "M²", "m4": "M⁴", "spectrum": "|φ_p|² at p = 2π/L", "phi6": "φ⁶", "phi8": "φ⁸"}
LOCAL = ("phi2", "phi4", "link", "action", "kappa2", "kappa4", "kappa6", "kappa8", "kappa4_ratio", "kappa6_ratio")
LOCAL += ("kappa8_ratio", "schwinger_dyson")
"""Observables of a site and its neighbours: on lattices of other extents they differ by finite-size effects only."""
LOCAL_JOINT = ("phi2", "phi4", "phi6", "phi8", "action")
"""Those of ``JOINT`` that are left then."""
ENOUGH = 50
"""Configurations from which on a correlation between the ensembles is looked for."""
FEW, UNEQUAL = 2000, 3
"""Below this effective sample size of one ensemble, and above this ratio of both, p comes out too small."""
SKEWED = (
    "One ensemble is short, the other much longer: the averages of M⁴ or φ⁸ of the short one are then far from normal, "
    "and p comes out too small. Of pairs of 100 and 1000 configurations of the free field, 4 % had p < 0.01."
)


class Compared(NamedTuple):
    """An observable of both, and ``sigma`` = (a - b)/√(error_a² + error_b²).

    ``sigma`` is nan where an error is not known, where nothing fluctuates and nothing differs, and where the two are
    not the same quantity; ±inf where they differ without fluctuating.
    """

    a: Measured
    b: Measured
    sigma: float


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` found.

    ``observables`` has a row for every observable of ``measure``; ``joint`` is the χ² of the averages ``averages``.
    ``effective_sample_size`` holds, for "abs_m" and "phi2", the sizes of a and b (nan where unknown). ``warnings`` are
    sentences about the comparison as such; those about either ensemble are in its Measurement. ``notes`` say how
    things were estimated.
    """

    a: Measurement
    b: Measurement
    observables: dict[str, Compared]
    joint: Joint
    averages: tuple[str, ...]
    effective_sample_size: dict[str, tuple[float, float]]
    warnings: list[str]
    notes: list[str]


def compare(a: Measurement, b: Measurement) -> Comparison:
    """Compare two ensembles that are independent of each other.

    Where the couplings differ, the actions are different quantities: they have no ``sigma``, and the link Σ_μ φ φ_μ
    takes the action's place in χ². Where the lattices differ, only observables of a site and its neighbours (LOCAL)
    are compared. Raises ValueError for lattices of different dimension.
    """
    comparable, warnings = _comparable(a.theory, b.theory)
    rows = {}
    for name, of_a in a.observables.items():
        of_b = b.observables[name]
        rows[name] = Compared(of_a, of_b, _sigma(of_a, of_b) if name in comparable else math.nan)
    averages = JOINT if a.theory.event == b.theory.event else LOCAL_JOINT
    if "action" not in comparable:
        averages = tuple("link" if name == "action" else name for name in averages)
    of_a, of_b = _averages(a, averages), _averages(b, averages)
    defined = all(np.isfinite(found.deviations).all() for found in (of_a, of_b))
    found = joint(of_a.value - of_b.value, [of_a.deviations, of_b.deviations]) if defined else NOTHING
    sizes = {name: (_effective_size(a, name), _effective_size(b, name)) for name in ("abs_m", "phi2")}
    notes = []
    if found.dof:
        notes.append(_how(found, averages))
        small, large = sorted(sizes["abs_m"])
        if small < FEW and large > UNEQUAL * small:
            notes.append(SKEWED)
    else:
        warnings.append("There is no χ²: the ensembles are too short for a covariance between the observables.")
    return Comparison(a, b, rows, found, averages, sizes, _dependence(a, b) + warnings, notes)


def _comparable(a: Phi4, b: Phi4) -> tuple[set[str], list[str]]:
    """The observables that are the same quantity in both theories, and sentences on what differs."""
    if a.d != b.d:
        raise ValueError(f"ensembles of fields in {a.d} and {b.d} dimensions cannot be compared")
    names, warnings = set(TITLES), []
    couplings = (("κ", a.kappa, b.kappa), ("λ", a.lam, b.lam))
    different = [f"{symbol} = {of_a:g} and {of_b:g}" for symbol, of_a, of_b in couplings if of_a != of_b]
    if different:
        warnings.append(
            f"The couplings differ: {', '.join(different)}. The averages belong to different theories; the actions are "
            "different quantities and not compared."
        )
        names.discard("action")
    if a.event != b.event:
        warnings.append(
            f"The lattices differ: {_extents(a)} and {_extents(b)}. Only observables of a site and its neighbours are "
            "compared, and they differ by finite-size effects."
        )
        names &= set(LOCAL)
    return names, warnings


def _extents(theory: Phi4) -> str:
    return " × ".join(str(n) for n in theory.event)


def _sigma(a: Measured, b: Measured) -> float:
    difference, error = a.value - b.value, math.hypot(a.error, b.error)
    if error > 0 or math.isnan(error) or math.isnan(difference):
        return difference / error
    differs = abs(difference) > ROUNDING * max(abs(a.value), abs(b.value))
    return math.copysign(math.inf, difference) if differs else math.nan


def _averages(found: Measurement, names: tuple[str, ...]) -> Jackknifed:
    """Averages with one deviation a block, blocks being whole, and as long as those of the errors of ``measure``."""
    times = (found.observables[name].tau_int for name in ("abs_m", "v_m2", "phi2"))
    length = 1.0 if found.independent else block_length(*times)
    series = np.stack([found.series[name] for name in names], axis=-1)
    means = series.mean(axis=(0, 1))
    blocks = cut(series - means, length)  # small differences of large numbers would lose digits
    counts = blocks.counts[:, None]
    around = jackknife(lambda s: s[..., :-1] / s[..., -1:], np.concatenate([blocks.sums, counts], axis=1), counts)
    return Jackknifed(means + around.value, around.deviations)


def _how(found: Joint, averages: tuple[str, ...]) -> str:
    names = ", ".join(JOINT_TITLES[name] for name in averages)
    reduced = f", reduced to the {found.dof} leading directions that it determines" * (found.dof < len(averages))
    return (
        f"χ² is that of the averages of {names}, with their covariance from a jackknife of whole blocks "
        f"({thousands(round(found.freedom))} degrees of freedom){reduced}; p from Hotelling's T²."
    )


def _effective_size(found: Measurement, name: str) -> float:
    return float(found.n_configs) if found.independent else found.effective_sample_size[name]


def _dependence(a: Measurement, b: Measurement) -> list[str]:
    """Sentences where the ensembles are not independent of each other."""
    keys = [np.ravel(found.series["phi2"]) + 1j * np.ravel(found.series["phi4"]) for found in (a, b)]
    shared = [int(np.isin(keys[0], keys[1]).sum()), int(np.isin(keys[1], keys[0]).sum())]
    if shared == [a.n_configs, b.n_configs]:
        return ["The two ensembles hold the same configurations: this compares an ensemble with itself."]
    if any(shared):
        return [
            f"The ensembles are not independent: {thousands(shared[0])} of the {thousands(a.n_configs)} configurations "
            f"of the first and {thousands(shared[1])} of the {thousands(b.n_configs)} of the second occur in both. "
            "Differences in σ and χ² come out too small."
        ]
    if a.series["phi2"].shape != b.series["phi2"].shape or a.n_configs < ENOUGH:
        return []
    of_a, of_b = (found.series["phi2"] - found.series["phi2"].mean() for found in (a, b))
    product = mean(of_a * of_b, a.independent and b.independent)
    if not abs(product.value) > SIGNIFICANT * product.error:
        return []
    correlation = product.value / (of_a.std() * of_b.std())
    return [
        f"The ensembles are not independent: draw by draw their φ² are correlated by {correlation:.2g}. Differences in "
        "σ and χ² come out wrong."
    ]
