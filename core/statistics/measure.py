"""All observables of a lattice ensemble of any size, with errors and with what is wrong with it.

The fields are read once, block by block, and forgotten; a few numbers a configuration are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from core.jobs import Token
from core.noise import Noise
from core.statistics import convergence, diagnosis
from core.statistics.bins import Bins
from core.statistics.configurations import Configurations, measure_configurations
from core.statistics.correlator import Correlators, correlation_length, correlators
from core.statistics.cumulants import cumulants_from_moments
from core.statistics.errors import Measured, block_length, bootstrap, cut, mean
from core.statistics.schwinger_dyson import SchwingerDyson, left_hand_side, schwinger_dyson
from core.theories.phi4 import Phi4

KEPT = ("m", "phi2", "phi4", "phi6", "phi8", "link", "walls")
SYMMETRISED = (
    "Averages are symmetrised under φ → −φ: odd moments are 0, κ₂ = ⟨φ²⟩ and so on; m is the plain average of M."
)
BROKEN = 0.6
"""U_L from which on the symmetry counts as broken; it is 2/3 in the broken phase, 0 in the symmetric one."""
LARGEST_FIELD = 1e12
"""Beyond it the squares of φ⁸ that errors take come near the largest number there is."""
NO_LENGTH = (
    "The symmetry is broken (U_L above 0.6), where ξ is no length: G(0) = V⟨M²⟩ holds the order itself, and ξ "
    "grows with the lattice without end. The mass of C(t)−C(t+1) tells the correlation length there."
)

TITLES = {
    "m": "M", "abs_m": "|M|", "v_m2": "V⟨M²⟩", "chi": "χ", "binder": "U_L", "xi": "ξ", "phi2": "φ²", "phi4": "φ⁴",
    "link": "Σ_μ φ φ_μ", "action": "S/V", "kappa2": "κ₂", "kappa4": "κ₄", "kappa6": "κ₆", "kappa8": "κ₈",
    "kappa4_ratio": "κ₄/κ₂²", "kappa6_ratio": "κ₆/κ₂³", "kappa8_ratio": "κ₈/κ₂⁴",
    "schwinger_dyson": "Schwinger–Dyson (= 1)", "walls": "walls",
}  # fmt: skip
"""What the observables are called in tables."""


@dataclass(frozen=True)
class Measurement:
    """What ``measure`` found.

    ``observables`` by name: m, abs_m, v_m2 = V⟨M²⟩, chi = V(⟨M²⟩ - ⟨|M|⟩²), binder = 1 - ⟨M⁴⟩/(3⟨M²⟩²), phi2 and phi4
    (of the site), link = ⟨Σ_μ φ_x φ_{x+μ}⟩, action (per site), kappa2 … kappa8 (cumulants of the site, symmetrised),
    kappa4_ratio = κ4/κ2² and so on, xi (second moment, with G(0) = V⟨M²⟩; no length in the broken phase),
    schwinger_dyson (must be 1), walls (fraction of configurations with a domain wall). Derived ones have no τ_int;
    what is undefined is nan.

    ``series`` has M, |M|, φ², … of every configuration, (chains, draws); ``r_hat`` and ``effective_sample_size`` are
    those of "abs_m" and "phi2", nan for independent draws and single chains. ``warnings`` are sentences for a person;
    none means that nothing was found wrong. ``notes`` say how things were estimated.
    """

    theory: Phi4
    chains: int
    draws: int
    independent: bool
    observables: dict[str, Measured]
    correlator: Correlators
    schwinger_dyson: SchwingerDyson
    series: dict[str, np.ndarray] = field(repr=False)
    r_hat: dict[str, float]
    effective_sample_size: dict[str, float]
    warnings: list[str]
    notes: list[str]

    @property
    def n_configs(self) -> int:
        """Number of configurations, of all chains."""
        return self.chains * self.draws


def measure(
    theory: Phi4, blocks: Iterable[np.ndarray], independent: bool = False, token: Token | None = None
) -> Measurement:
    """Measure an ensemble given as ``blocks`` (chains, some draws, *event), consecutive draws of the same chains.

    ``independent`` tells that all configurations are independent draws, whatever the layout. Raises ValueError for an
    empty ensemble, blocks that do not fit together or to the theory, and numbers that are not finite or beyond 10¹²;
    Cancelled once ``token`` is.
    """
    series, bins, power = _collect(theory, blocks, independent, token)
    chains, draws = series["m"].shape
    series |= {"abs_m": np.abs(series["m"]), "m2": series["m"] ** 2, "m4": series["m"] ** 4}
    series["action"] = (
        (1 - 2 * theory.lam) * series["phi2"] + theory.lam * series["phi4"] - 2 * theory.kappa * series["link"]
    )
    series["schwinger_dyson"] = left_hand_side(theory, series["phi2"], series["phi4"], series["link"])

    measured = {name: mean(series[name], independent) for name in ("m", "abs_m", "m2", "phi2", "phi4", "link")}
    measured |= {name: mean(series[name], independent) for name in ("action", "walls")}
    check = schwinger_dyson(series["schwinger_dyson"], independent)
    measured["schwinger_dyson"] = check.measured
    slowest = 1.0 if independent else block_length(*(measured[name].tau_int for name in ("abs_m", "m2", "phi2")))
    observables = _in_order(theory, measured | _derived(theory, series, slowest))

    slow = {"|M|": series["abs_m"], "φ²": series["phi2"]}
    warnings = diagnosis.count_warnings(chains, draws, independent)
    if not independent:
        warnings += diagnosis.r_hat_warnings(slow) + diagnosis.drift_warnings(slow)
        warnings += diagnosis.length_warnings({"|M|": measured["abs_m"], "φ²": measured["phi2"]}, chains, draws)
    warnings += diagnosis.wall_warnings(series["walls"])
    if independent or chains == 1 or draws == 1:
        warnings += diagnosis.magnetisation_warnings(theory, series["m"])
    warnings += diagnosis.sign_warnings(series["m"]) + diagnosis.schwinger_dyson_warnings(check)

    notes = [SYMMETRISED, NO_LENGTH] if observables["binder"].value > BROKEN else [SYMMETRISED]
    compared = {} if independent else {"abs_m": series["abs_m"], "phi2": series["phi2"]}
    return Measurement(
        theory, chains, draws, independent, observables,
        correlators(cut(bins.sums, slowest, bins.counts), max(theory.event), power / (chains * draws)),
        check, series,
        {name: convergence.r_hat(values) for name, values in compared.items()},
        {name: convergence.effective_sample_size(values) for name, values in compared.items()},
        warnings, notes,
    )  # fmt: skip


def _collect(
    theory: Phi4, blocks: Iterable[np.ndarray], independent: bool, token: Token | None
) -> tuple[dict[str, np.ndarray], Bins, np.ndarray]:
    parts: list[Configurations] = []
    bins: Bins | None = None
    power = np.zeros(theory.event)
    for fields in blocks:
        if token is not None:
            token.check()
        if fields.ndim != theory.d + 2:
            raise ValueError(f"a block must have the shape (chains, draws, *{theory.event}), got {fields.shape}")
        largest = max(float(fields.max(initial=0)), -float(fields.min(initial=0)))
        if largest > LARGEST_FIELD:
            raise ValueError(
                f"a field of {largest:.3g} is too large to measure φ⁸, which takes {LARGEST_FIELD:g} at most: the "
                "chains have run away"
            )
        if independent:  # one row of draws, whatever chains they come from
            fields = fields.reshape(1, -1, *fields.shape[2:])
        part = measure_configurations(theory, fields, token)
        functions = np.concatenate([part.spectrum, part.two_point, part.four_point], axis=-1)
        bins = bins or Bins(len(fields), functions.shape[-1])
        if parts and len(fields) != len(parts[0].m):
            raise ValueError(f"all blocks must hold the same chains, got {len(parts[0].m)} and then {len(fields)}")
        bins.add(functions)
        power += part.power
        # The long arrays are in the bins; only the lowest momentum is needed of every configuration.
        parts.append(part._replace(spectrum=part.spectrum[..., 1].copy(), two_point=_NONE, four_point=_NONE))
    if bins is None:
        raise ValueError("the ensemble must hold at least one configuration, got none")
    kept = {name: np.concatenate([getattr(part, name) for part in parts], axis=1) for name in (*KEPT, "spectrum")}
    return kept, bins, power


_NONE = np.empty(0)


def _derived(theory: Phi4, series: Mapping[str, np.ndarray], length: float) -> dict[str, Measured]:
    """Functions of several averages, with bootstrap errors of blocks of ``length`` draws."""
    averaged = ("abs_m", "m2", "m4", "phi2", "phi4", "phi6", "phi8", "spectrum")
    blocks = cut(np.stack([series[name] for name in averaged], axis=-1), length)

    def function(means: np.ndarray) -> np.ndarray:
        abs_m, m2, m4, *even, lowest = np.moveaxis(means, -1, 0)
        moments = np.zeros((*abs_m.shape, 9))
        moments[..., 0] = 1.0
        moments[..., 2::2] = np.stack(even, axis=-1)
        kappa = cumulants_from_moments(moments)
        k2 = kappa[..., 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            results = [
                theory.volume * (m2 - abs_m**2),
                1 - m4 / (3 * m2**2),
                *(kappa[..., n] for n in (2, 4, 6, 8)),
                *(kappa[..., n] / k2 ** (n // 2) for n in (4, 6, 8)),
                correlation_length(np.stack([theory.volume * m2, lowest], axis=-1), max(theory.event)),
            ]
        return np.stack(results, axis=-1)

    names = ("chi", "binder", "kappa2", "kappa4", "kappa6", "kappa8")
    names += ("kappa4_ratio", "kappa6_ratio", "kappa8_ratio", "xi")
    value, error = bootstrap(function, blocks, Noise(0, "bootstrap"))
    return {name: Measured(float(v), float(e)) for name, v, e in zip(names, value, error, strict=True)}


def _in_order(theory: Phi4, measured: Mapping[str, Measured]) -> dict[str, Measured]:
    m2 = measured["m2"]
    v_m2 = m2._replace(value=theory.volume * m2.value, error=theory.volume * m2.error)
    order = ("m", "abs_m", "v_m2", "chi", "binder", "xi", "phi2", "phi4", "link", "action", "kappa2", "kappa4")
    order += ("kappa6", "kappa8", "kappa4_ratio", "kappa6_ratio", "kappa8_ratio", "schwinger_dyson", "walls")
    return {name: v_m2 if name == "v_m2" else measured[name] for name in order}
