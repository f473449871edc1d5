"""Delete-one-block jackknife for quantities that are functions of sums over blocks of data."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]


class Estimate(NamedTuple):
    """A measured quantity and its statistical error (one standard deviation), arrays of one shape."""

    value: np.ndarray
    error: np.ndarray


class Jackknifed(NamedTuple):
    """A quantity with one deviation a block: the covariance of two quantities a, b is Σ_blocks δa δb.

    Linear combinations of quantities of the same data have the same combination of deviations, hence joint errors.
    """

    value: np.ndarray
    deviations: np.ndarray

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.value, np.sqrt((self.deviations**2).sum(axis=0)))


def jackknife(function: Function, sums: np.ndarray, counts: np.ndarray) -> Jackknifed:
    """``function`` of the total of ``sums`` (blocks, ...) with its deviations, for blocks of unequal size.

    ``counts`` (blocks, ...) says how many data each block holds and broadcasts against the result of ``function``,
    which maps sums (..., rest) to quantities of the same leading axes. With h_b = N/n_b and pseudo-values
    θ_b = h_b θ - (h_b - 1) θ_(-b), the variance is the mean over blocks of (θ_b - Σ θ_b/h_b)²/(h_b - 1) (Busing,
    Meijer and van der Leeden 1999, doi:10.1023/A:1008800423698); for equal blocks the usual jackknife. Empty blocks
    drop out; with fewer than two others the deviations are NaN.
    """
    total = sums.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # one block may hold all there is
        value, without = function(total), function(total - sums)
        h = counts.sum(axis=0) / counts
        used = np.isfinite(h) & (h > 1)
        h = np.where(used, h, 2.0)
        pseudo = np.where(used, h * value - (h - 1) * np.where(used, without, 0.0), 0.0)
        blocks = used.sum(axis=0)
        deviations = (pseudo - (pseudo / h).sum(axis=0)) / np.sqrt((h - 1) * np.maximum(blocks, 1))
    return Jackknifed(value, np.where(blocks > 1, np.where(used, deviations, 0.0), np.nan))
