"""χ² of a difference between two vectors of averages whose covariances are themselves estimated from data.

With a covariance S = Σ_i S_i that was estimated, d S⁻¹ d is no χ² but Hotelling's T²: its tail is longer, and its mean
larger than the number of dimensions p. If S has ν degrees of freedom, T² (ν-p+1)/(νp) follows the F distribution with
p and ν-p+1 degrees of freedom. In coordinates in which S is the unit matrix, and with y_ib the deviation of block b of
ensemble i, S_i = Σ_b y_ib y_ibᵀ, the scatter of S gives

    ν = p(p+1) / Σ_i (Σ_b |y_ib|⁴ - tr S_i²/B_i),

which for normal blocks is the ν of K. Krishnamoorthy and J. Yu, Stat. Probab. Lett. 66 (2004) 161, and smaller for
blocks with heavy tails. The factor that makes the inverse of a covariance unbiased, (ν-p-1)/ν (Hartlap, Simon and
Schneider, astro-ph/0608064), gives T² the mean p: that is the χ² quoted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import fdtrc

DEPENDENT = 1e-12
"""Directions with a smaller eigenvalue of the correlation matrix are taken as linear dependences, and left out."""
FREEDOM_PER_DIRECTION = 2.0
"""Degrees of freedom of the covariance that each direction takes; with fewer, directions are left out."""


class Joint(NamedTuple):
    """``chi2`` with mean ``dof`` if nothing differs, its ``p_value``, and the ``freedom`` ν of the covariance.

    nan, with ``dof`` 0, where there is nothing to compare or no covariance to compare it with.
    """

    chi2: float
    dof: int
    p_value: float
    freedom: float


NOTHING = Joint(math.nan, 0, math.nan, math.nan)


def joint(difference: np.ndarray, deviations: Sequence[np.ndarray]) -> Joint:
    """Is the ``difference`` (quantities,) of independent estimates compatible with 0?

    ``deviations`` hold (blocks, quantities) for each estimate, with Σ_blocks δ_i δ_j its covariance (see
    ``core.statistics.jackknife``). Quantities are measured in their errors, then the principal directions of their
    correlation matrix are tested: those that are not linear dependences (DEPENDENT), and of these the ones of largest
    variance, no more than half as many as the covariance has degrees of freedom (FREEDOM_PER_DIRECTION). The variances
    of leading directions are rather over- than underestimated, so leaving out the last ones errs on the safe side: it
    costs power. Quantities with an error of 0 are left out. Raises ValueError for numbers that are not finite.
    """
    if not (np.all(np.isfinite(difference)) and all(np.all(np.isfinite(d)) for d in deviations)):
        raise ValueError("difference and deviations must be finite, got nan or inf in them")
    scale = np.sqrt(sum((np.sum(d**2, axis=0) for d in deviations), np.zeros(len(difference))))
    used = scale > 0
    if not used.any():
        return NOTHING
    difference = difference[used] / scale[used]
    scaled = [d[:, used] / scale[used] for d in deviations]
    stacked = np.concatenate(scaled)
    eigenvalues, vectors = np.linalg.eigh(stacked.T @ stacked)
    eigenvalues, vectors = eigenvalues[::-1], vectors[:, ::-1]
    p = int(np.sum(eigenvalues > DEPENDENT * eigenvalues[0]))
    whitening = vectors[:, :p] / np.sqrt(eigenvalues[:p])
    freedom = _freedom([d @ whitening for d in scaled])
    while p > 1 and freedom < FREEDOM_PER_DIRECTION * p:
        p -= 1
        whitening = whitening[:, :p]
        freedom = _freedom([d @ whitening for d in scaled])
    if freedom <= p + 1:  # T² has no mean
        return NOTHING
    t2 = float(np.sum((difference @ whitening) ** 2))
    tail = freedom - p + 1
    p_value = float(fdtrc(p, tail, t2 * tail / (freedom * p)))
    return Joint(t2 * (freedom - p - 1) / freedom, p, p_value, freedom)


def _freedom(deviations: Sequence[np.ndarray]) -> float:
    """ν of the covariance of ``deviations``, in coordinates in which it is the unit matrix.

    At most that of normal blocks: a few of them may scatter less by chance.
    """
    p = deviations[0].shape[1]
    scatter = 0.0
    for y in deviations:
        covariance = y.T @ y
        square, trace = float(np.sum(covariance**2)), float(np.trace(covariance))
        if trace > 0:
            of_normal = (square + trace**2) / (len(y) - 1)
            scatter += max(float(np.sum(np.sum(y**2, axis=1) ** 2)) - square / len(y), of_normal)
    return p * (p + 1) / scatter
