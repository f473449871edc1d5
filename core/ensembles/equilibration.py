"""How long chains need to forget where they began, and to forget themselves, measured on a few pilot chains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.special import erfc, erfcinv

from core.ensembles.chains import SEGMENT, advance, begin
from core.jobs import Token
from core.noise import Noise
from core.samplers.algorithms import ALGORITHMS
from core.samplers.pilots import VOLUME_POWER, pilot_lattice, pilot_noise
from core.statistics.autocorrelation import integrated_time
from core.theories.phi4 import Phi4

MOST_PILOTS, FEWEST_PILOTS, SITES = 16, 4, 2**15
"""Chains of each kind of start: as many as ``SITES`` allow, within the bounds."""
FIRST_LOOK = 48
"""Steps after which the pilots are compared for the first time."""
GROWTH = 1.5
"""Factor between the lengths at which they are compared."""
LONGEST, SHORTEST_LONGEST = 20_000, 192
"""Bounds on the steps after which the comparison is given up."""
WORK = 4e9
"""Site updates after which it is given up, within these bounds."""
AGREE = 3.0
"""Standard errors that the means of the two kinds of starts, and of early and late, may lie apart."""
MOST_KEPT = 2048
"""Most moments of its history that a pilot remembers."""
PATIENCE = 20
"""Hot chains that are still caught after so many times the steps in which ordered ones settled are given up."""
R_HAT = 1.1
"""Largest R̂ of the second half: it ensures that this half is ten τ_int long or more."""


@dataclass(frozen=True)
class Equilibration:
    """``steps`` of thermalisation; ``tau``, the longer τ_int of |M| and φ², in steps; ``acceptance``, or None."""

    steps: int
    tau: float
    acceptance: float | None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def equilibrate(
    theory: Phi4,
    sampler: str,
    parameters: Mapping[str, Any],
    start: str,
    noise: Noise,
    token: Token | None = None,
) -> Equilibration:
    """Run pilots from ``start`` and from the opposite kind of start (hot or ordered) until they agree.

    They agree after n steps if, over the steps from n/2 to n, the means of |M| and of φ² of the two kinds differ by
    less than 3 standard errors (from the spread over chains), those of the start asked for do not drift by more, and
    R̂ over all chains is below 1.1. Since n/2 steps were then enough, n carry a safety factor of 2. Where the
    comparison is given up, a warning says so.

    Deep in the broken phase hot chains may be caught between domain walls for any length of time. If they stay below
    every |M| of ordered chains that have settled, the ordered ones count and a note says so; where a hot start was
    asked for, they are waited for 20 times as long, and then a warning says so.

    Beyond 2^16 sites the pilots run on a smaller lattice (``pilot_lattice``) with the same parameters, and a note says
    so: what they find holds for a correlation length that is short in their lattice too. A global decision is accepted
    less often in the larger volume, erfc(√V …) of HMC and MALA, and the steps grow in proportion. A hot start is tried
    at full size, since its domains take a time that grows with the lattice.
    """
    pilots = theory if start == "hot" else pilot_lattice(theory)
    if pilots.volume < theory.volume:
        found = _equilibrate(pilots, sampler, parameters, start, noise, token, theory.volume / pilots.volume)
        shape = " × ".join(str(n) for n in pilots.event)
        note = (
            f"pilots ran on {shape} sites: with a correlation length that does not fit in there several times, "
            "thermalisation and thinning are too short."
        )
        return replace(found, notes=(*found.notes, note))
    return _equilibrate(theory, sampler, parameters, start, noise, token)


def _equilibrate(
    theory: Phi4,
    sampler: str,
    parameters: Mapping[str, Any],
    start: str,
    noise: Noise,
    token: Token | None,
    enlarged: float = 1.0,
) -> Equilibration:
    """``equilibrate`` with pilots on the lattice of ``theory``, for one that is ``enlarged`` by this factor."""
    chains = min(MOST_PILOTS, max(FEWEST_PILOTS, SITES // theory.volume))
    noise = pilot_noise(noise)
    warm = sampler in ("hmc", "mala")
    kinds = (start, "mixed" if start == "hot" else "hot")
    runs = [
        _Run(theory, sampler, parameters, begin(theory, kind, chains, own, warm, token), own)
        for kind, own in ((kind, noise.of(f"from-{kind}")) for kind in kinds)
    ]
    cost = max(1, int(parameters.get("n_steps", 1))) * theory.volume * chains * len(runs)
    longest = int(min(LONGEST, max(SHORTEST_LONGEST, WORK / cost)))
    steps, target, ordered_settled = 0, float(FIRST_LOOK), 0
    while True:
        steps = min(math.ceil(target / SEGMENT) * SEGMENT, max(longest, SEGMENT))
        for run in runs:
            run.until(steps, token)
        own, other = runs
        rate = _in_volume(own.acceptance, enlarged) if sampler in VOLUME_POWER else own.acceptance
        slower = own.acceptance / rate if rate and own.acceptance else 1.0  # 1 unless the lattice is enlarged
        if rate is not None and rate < 0.01:
            unit = ALGORITHMS[sampler].unit
            return Equilibration(
                steps, 0.5, rate,
                (f"the acceptance is {100 * rate:.2g} %: hardly any {unit} changes the field; take a smaller step.",),
            )  # fmt: skip
        if own.settled() and own.agrees_with(other):
            return Equilibration(math.ceil(slower * steps), slower * own.tau(), rate)
        if start != "hot" and own.settled() and other.caught_below(own):
            note = f"hot pilots were still caught between domain walls after {steps} steps; ordered ones had settled."
            return Equilibration(math.ceil(slower * steps), slower * own.tau(), rate, notes=(note,))
        if start == "hot" and other.settled():
            ordered_settled = ordered_settled or steps
            if steps >= PATIENCE * ordered_settled and own.caught_below(other):
                warning = (
                    f"hot pilots were still caught between domain walls after {steps} steps, ordered ones had settled "
                    f"after {ordered_settled}: the ensemble will not be in equilibrium; start mixed, or use the "
                    "cluster algorithm."
                )
                return Equilibration(steps, other.tau(), rate, (warning,))
        if steps >= longest:
            warning = (
                f"pilots from {kinds[0]} and from {kinds[1]} starts had not agreed after {steps} steps, where the "
                "comparison was given up: the ensemble may not be in equilibrium."
            )
            return Equilibration(math.ceil(slower * steps), slower * own.tau(), rate, (warning,))
        target *= GROWTH


def _in_volume(rate: float | None, enlarged: float) -> float | None:
    """The acceptance of a global decision in a volume larger by this factor: erfc(½ √⟨ΔH⟩), where ⟨ΔH⟩ grows with V."""
    if rate is None or enlarged == 1.0:
        return rate
    return float(erfc(math.sqrt(enlarged) * erfcinv(min(rate, 1.0))))


class _Run:
    """Pilots of one kind of start, with their history: every step at first, every ``_stride``-th of a long one."""

    def __init__(
        self, theory: Phi4, sampler: str, parameters: Mapping[str, Any], x: torch.Tensor, noise: Noise
    ) -> None:
        self._what = (theory, sampler, parameters)
        self._x, self._noise, self._done, self._stride = x, noise, 0, 1
        self._rate = math.nan
        self._history = np.empty((2, len(x), 0))  # |M| and φ²

    def until(self, steps: int, token: Token | None) -> None:
        """Go on up to this number of steps."""
        while steps // self._stride > MOST_KEPT:
            self._stride *= 2
            self._history = self._history[:, :, 1::2]
        more = (steps - self._done) // self._stride
        new = np.empty((2, len(self._x), more))

        def keep(k: int, first: int, x: torch.Tensor) -> None:
            flat = x.numpy().reshape(len(x), -1)
            new[0, first : first + len(x), k] = np.abs(flat.mean(axis=1, dtype=float))
            new[1, first : first + len(x), k] = np.einsum("ij,ij->i", flat, flat, dtype=float) / flat.shape[1]

        self._x, rates = advance(*self._what, self._x, self._done, self._stride, self._noise, more, keep, token=token)
        self._rate = float(rates.mean())
        self._history = np.concatenate([self._history, new], axis=2)
        self._done += more * self._stride

    @property
    def acceptance(self) -> float | None:
        """Mean over the last stretch; None for an algorithm that decides nothing."""
        return self._rate if math.isfinite(self._rate) else None

    @property
    def _half(self) -> np.ndarray:
        """The second half of the history, (2, chains, steps)."""
        return self._history[:, :, self._history.shape[2] // 2 :]

    def settled(self) -> bool:
        """Neither |M| nor φ² drifts in the second half, and the chains agree on |M| and φ² by their R̂."""
        half = self._half
        middle = half.shape[2] // 2
        early, late = half[:, :, :middle].mean(2), half[:, :, middle:].mean(2)
        return bool(np.all(_apart(late - early) < AGREE)) and _r_hat(half) < R_HAT

    def agrees_with(self, other: _Run) -> bool:
        """The two kinds of start have the same means in the second half."""
        a, b = self._half.mean(2), other._half.mean(2)
        error = np.sqrt((a.var(1, ddof=1) + b.var(1, ddof=1)) / a.shape[1])
        close = np.abs(a.mean(1) - b.mean(1)) <= AGREE * np.maximum(error, 1e-12)
        return bool(np.all(close)) and _r_hat(np.concatenate([self._half, other._half], axis=1)) < R_HAT

    def caught_below(self, other: _Run) -> bool:
        """Some chain's |M| stayed below every value that the ``other`` chains took in the second half."""
        return bool(np.any(self._half[0].max(axis=1) < other._half[0].min()))

    def tau(self) -> float:
        """The longer τ_int of |M| and of φ² in the second half, in steps."""
        return max(integrated_time(series).tau for series in self._half) * self._stride


def _apart(difference: np.ndarray) -> np.ndarray:
    """|mean| over chains (…, chains) in standard errors."""
    error = difference.std(axis=-1, ddof=1) / math.sqrt(difference.shape[-1])
    return np.abs(difference.mean(axis=-1)) / np.maximum(error, 1e-12)


def _r_hat(half: np.ndarray) -> float:
    """The larger R̂ of |M| and φ², each (chains, steps): √((n-1)/n + B/W) (Gelman and Rubin 1992).

    A plain one, since this is asked for many times on the way and only guards against chains that are far too short.
    """
    within = half.var(axis=2, ddof=1).mean(axis=1)
    between = half.mean(axis=2).var(axis=1, ddof=1)
    n = half.shape[2]
    return float(np.max(np.sqrt((n - 1) / n + between / np.maximum(within, 1e-300))))
