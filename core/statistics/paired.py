"""Differences of two runs that share their noise: pairs of the same number go up and down together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.statistics.cumulants import cumulants_from_moments
from core.statistics.jackknife import Estimate, Function, Jackknifed, jackknife

BLOCKS = 64
"""Most blocks that pairs are gathered in."""
FIELD = ("phi2", "phi4", "phi6", "phi8", "abs_m", "m2", "m4", "action")
"""The averages that ``field_observables`` takes, in their order."""
FIELD_OBSERVABLES = ("kappa2", "kappa4", "kappa6", "kappa8", "abs_m", "chi", "binder", "action")
"""What it makes of them."""


@dataclass(frozen=True, eq=False)
class Paired:
    """Quantities of two runs, and ``difference`` = b − a with the error that it has as a difference of pairs."""

    a: Estimate
    b: Estimate
    difference: Estimate

    @property
    def sigma(self) -> np.ndarray:
        """The differences in units of their errors: nan where nothing fluctuates and nothing differs, or without an
        error, ±inf where something differs without fluctuating."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.difference.value / self.difference.error


def difference(a: Jackknifed, b: Jackknifed) -> Paired:
    """Both, with the joint error of their difference; the blocks of the same number must hold the same pairs."""
    return Paired(a.estimate, b.estimate, Jackknifed(b.value - a.value, b.deviations - a.deviations).estimate)


def paired(function_a: Function, a: np.ndarray, function_b: Function, b: np.ndarray) -> Paired:
    """``function_a`` of the averages of ``a`` (n, k) beside ``function_b`` of those of ``b``, (m, k).

    Row i of both has the same noise and is independent of all other rows. A function maps averages (..., k) to
    quantities (..., q). With a single row nothing is known of the errors, which are nan. Where n and m differ, the
    rows without a partner count as independent.
    """
    blocks = min(BLOCKS, len(a), len(b))
    return difference(*(_blocked(f, x, blocks) for f, x in ((function_a, a), (function_b, b))))


def _blocked(function: Function, rows: np.ndarray, blocks: int) -> Jackknifed:
    sums = np.zeros((blocks, rows.shape[1] + 1))
    np.add.at(sums, np.arange(len(rows)) % blocks, np.concatenate([rows, np.ones((len(rows), 1))], axis=1))
    return jackknife(lambda s: function(s[..., :-1] / s[..., -1:]), sums, sums[:, -1:])


def field_observables(volume: int) -> Function:
    """From the averages FIELD to FIELD_OBSERVABLES of a lattice of ``volume`` sites, symmetrised under φ → −φ."""

    def function(mean: np.ndarray) -> np.ndarray:
        moments = np.zeros((*mean.shape[:-1], 9))
        moments[..., 0], moments[..., 2::2] = 1.0, mean[..., :4]
        kappa = cumulants_from_moments(moments)
        abs_m, m2, m4, action = (mean[..., i] for i in range(4, 8))
        chi, binder = volume * (m2 - abs_m**2), 1 - m4 / (3 * m2**2)
        return np.stack([*(kappa[..., n] for n in (2, 4, 6, 8)), abs_m, chi, binder, action], axis=-1)

    return function
