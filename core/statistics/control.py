"""Cumulants with less noise: control variates with known cumulants, measured on the same paths.

At late times of the variance-expanding process κ_n(t) = κ_n(0) is buried under the sampling noise √(n! Ξⁿ/N) of a
nearly Gaussian x_t. Two estimators dig it out; both use the measured x_t and neither the data x_0:

- ``control_variate`` subtracts β (κ̂_n(c) - κ_n(c)) for a control c on the same paths whose cumulants are known: the
  noise n_t that a path has received, or beside a backward process a Gaussian one with the same start and noise. For
  n_t it leaves the fraction 1 - (Ξ/(f²κ_2 + Ξ))ⁿ of the variance of κ̂_n, a third of it at n = 8 and Ξ = 20 κ_2: the
  cross-cumulants of signal and noise remain.
- ``noise_removed`` takes the cumulants of x_t - n_t, path by path. Cumulants are multilinear, so this subtracts also
  all cross-cumulants κ̂(x_t, …, n_t, …), each exactly 0 for n > 2, with their binomial coefficients: no estimator
  from x_t and n_t has less noise. Where the drift is linear and exactly integrated, x_t - n_t = f x_0, and what is
  left is the sampling noise of the data themselves; an error of the integrator shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.statistics.cumulants import PowerSums
from core.statistics.jackknife import Estimate, Jackknifed


def control_variate(
    x: PowerSums, control: PowerSums, exact: Any, coefficient: float | None = None, symmetric: bool = False
) -> Estimate:
    """κ̂_n(x) - β (κ̂_n(c) - κ_n(c)), value and joint jackknife error, (frames, order+1).

    ``control`` holds the power sums of the control c over the same paths in the same layout; ``exact`` its cumulants,
    (order+1,) or (frames, order+1). β is ``coefficient``, or by default the regression coefficient cov/var of each
    order and frame, from the jackknife (its noise adds a relative variance of order 1/blocks). Raises ValueError
    where the layouts or numbers of paths differ.
    """
    if (x.sums.shape, x.run) != (control.sums.shape, control.run) or np.any(x.sums[:, 0] != control.sums[:, 0]):
        raise ValueError("x and control must be power sums of the same paths in the same frames, order, blocks and run")
    a, c = x.jackknifed_cumulants(symmetric), control.jackknifed_cumulants(symmetric)
    if coefficient is None:
        variance = (c.deviations**2).sum(axis=0)
        covariance = (a.deviations * c.deviations).sum(axis=0)
        beta = covariance / np.where(variance > 0, variance, 1.0)
    else:
        beta = np.full_like(a.value, coefficient)
    excess = c.value - np.asarray(exact, dtype=float)
    return Jackknifed(a.value - beta * excess, a.deviations - beta * c.deviations).estimate


def noise_removed(differences: PowerSums, xi: Any) -> Estimate:
    """κ̂_n(x_t - n_t) + Ξ δ_{n2}, value and error, (frames, order+1).

    ``differences`` holds the power sums of x_t - n_t, where n_t is the noise that path has received, of exact
    variance Ξ(t) = ``xi`` (a number or one a frame) and independent of the path's start. Taken in float64 the
    difference costs a relative rounding of 10⁻¹⁶ σ̃ only, while κ̂_8(x_t) - κ̂_8(n_t) would lose all digits at σ̃ = 100.
    """
    value, error = differences.cumulants()
    value[:, 2] += xi
    return Estimate(value, error)
