"""Have the chains forgotten where they started? R̂, effective sample size, and comparisons of parts of a run.

To be used on |M| and φ², not on M: where the symmetry φ → -φ is broken the sign of M may differ between chains for
good, which the symmetrised estimators do not mind.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from core.statistics.errors import as_chains, mean

R_HAT_LIMIT = 1.01
"""Vehtari et al., arXiv:1903.08008, section 4."""


def r_hat(series: np.ndarray) -> float:
    """Rank-normalised split R̂ of ``series`` (chains, draws), arXiv:1903.08008 equation (4), by arviz-stats.

    nan for one chain or fewer than four draws; 1 where nothing fluctuates. Raises ValueError for a bad series.
    """
    a = as_chains(series)
    if len(a) < 2 or a.shape[1] < 4:
        return math.nan
    if np.ptp(a) == 0:
        return 1.0
    from arviz_stats.base.array import array_stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a chain that stands still divides by 0: infinite, as it should be
        return float(array_stats.rhat(a))  # type: ignore[arg-type]


def effective_sample_size(series: np.ndarray) -> float:
    """Effective sample size for the mean of ``series`` (chains, draws), arXiv:1903.08008 section 3.2, by arviz-stats.

    N/(2 τ_int) for long chains. nan for fewer than four draws, and where nothing fluctuates.
    """
    a = as_chains(series)
    if a.shape[1] < 4 or np.ptp(a) == 0:
        return math.nan
    from arviz_stats.base.array import array_stats

    return float(array_stats.ess(a, method="mean"))  # type: ignore[arg-type]


def r_hat_expected(tau_int: float, draws: int) -> float:
    """R̂ of chains in equilibrium that are short: √(1 + (2 τ_int - 1)/n) with n = ``draws``/2, as R̂ splits chains.

    The mean of n correlated draws varies 2 τ_int times as much as that of n independent ones.
    """
    return math.sqrt(1 + max(2 * tau_int - 1, 0.0) / max(draws // 2, 1))


def r_hat_limit(series: np.ndarray) -> float:
    """From where on the R̂ of ``series`` counts: 1.01, or, for nearly independent draws, what short chains have anyway.

    Among m = 2 × chains halves of n draws the variance of means has a relative spread √(2/(m-1)), of which 3.5 standard
    deviations are allowed. The larger τ_int of the series and of its distance from the median counts, since R̂ is the
    larger one of both. A long τ_int (1.5 and more) excuses nothing: it may just mean that chains sit in different
    places.
    """
    a = as_chains(series)
    tau = max(mean(a).tau_int, mean(np.abs(a - np.median(a))).tau_int)
    if not tau < 1.5:
        return R_HAT_LIMIT
    chance = 3.5 * math.sqrt(2 / (2 * len(a) - 1))
    return max(R_HAT_LIMIT, r_hat_expected(tau * (1 + chance), a.shape[1]))


def halves_differ_by(series: np.ndarray) -> float:
    """Difference between the means of the second and of the first half of the draws, in its standard errors.

    nan where it has no error: fewer than two draws, or two halves of a single short chain.
    """
    a = as_chains(series)
    half = a.shape[1] // 2
    if half < 1:
        return math.nan
    first, second = a[:, :half], a[:, -half:]
    if len(a) >= 16:  # the spread of the chains is a safe error
        change = (second - first).mean(axis=1)
        error = float(change.std(ddof=1)) / math.sqrt(len(change))
        return _ratio(float(change.mean()), error)
    one, two = mean(first), mean(second)
    return _ratio(two.value - one.value, math.hypot(one.error, two.error))


def starts_differ_by(series: np.ndarray) -> float:
    """Difference between the chains of even and of odd number, in its standard errors.

    From the mixed start these are the chains that started with positive and with negative sign. nan for fewer than
    four chains.
    """
    a = as_chains(series)
    if len(a) < 4:
        return math.nan
    groups = [a[start::2].mean(axis=1) for start in (0, 1)]
    if len(a) >= 16:
        error = math.sqrt(sum(g.var(ddof=1) / len(g) for g in groups))
    else:
        error = math.hypot(*(mean(a[start::2]).error for start in (0, 1)))
    return _ratio(float(groups[0].mean() - groups[1].mean()), error)


def _ratio(difference: float, error: float) -> float:
    if math.isnan(error):
        return math.nan
    return difference / error if error > 0 else (0.0 if difference == 0 else math.copysign(math.inf, difference))
