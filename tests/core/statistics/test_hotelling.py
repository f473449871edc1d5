"""Hotelling's T² with estimated covariances: exact laws of normal blocks, correlations, dependences, few blocks."""

import math

import numpy as np
import pytest
from scipy.stats import chi2, f

from core.noise import Noise
from core.statistics.hotelling import joint


def correlated(size, rho):
    """Covariance 1 on the diagonal, ρ beside it."""
    return rho + (1 - rho) * np.eye(size)


def estimates(covariance, blocks, repetitions, seed):
    """Means of ``blocks`` normal blocks, (repetitions, p), and their jackknife deviations (repetitions, blocks, p)."""
    root = np.linalg.cholesky(covariance)
    x = Noise(seed).normal(0, (repetitions, blocks, len(covariance))).numpy() @ root.T
    mean = x.mean(axis=1)
    return mean, (x - mean[:, None]) / math.sqrt(blocks * (blocks - 1))


def results(repetitions, seed, *parts):
    """``joint`` for differences of two means, of the covariances and numbers of blocks given in ``parts``."""
    (a, of_a), (b, of_b) = (estimates(*part, repetitions, seed + k) for k, part in enumerate(parts))
    return [joint(a[k] - b[k], [of_a[k], of_b[k]]) for k in range(repetitions)]


def distance_from_uniform(p):
    """Kolmogorov–Smirnov distance in units of 1/√N: above 1.95 by chance once in a thousand."""
    p = np.sort(p)
    return math.sqrt(len(p)) * np.max(np.abs(p - (np.arange(len(p)) + 0.5) / len(p)))


def test_one_quantity_is_a_t_test():
    (difference, deviations), (other, others) = (estimates(np.eye(1), n, 1, n) for n in (300, 500))
    d = float((difference - other)[0, 0])
    error = math.sqrt((deviations**2).sum() + (others**2).sum())
    found = joint((difference - other)[0], [deviations[0], others[0]])
    assert found.dof == 1
    assert 250 < found.freedom <= 798
    assert found.p_value == pytest.approx(f.sf((d / error) ** 2, 1, found.freedom), rel=1e-9)
    assert found.chi2 == pytest.approx((d / error) ** 2 * (1 - 2 / found.freedom), rel=1e-9)


def test_many_blocks_give_the_chi2_of_the_true_covariance():
    covariance = correlated(4, 0.9)
    (a, deviations), (b, others) = (estimates(covariance, 20000, 1, seed) for seed in (1, 2))
    d = (a - b)[0]
    found = joint(d, [deviations[0], others[0]])
    exact = d @ np.linalg.solve(covariance * 2 / 20000, d)
    assert found.chi2 == pytest.approx(exact, rel=0.05)  # variances are known to √(2/40000) = 0.7 %
    assert found.p_value == pytest.approx(chi2.sf(exact, 4), rel=0.1)


@pytest.mark.parametrize(("blocks", "seed"), [((40, 40), 1), ((24, 300), 5)])
def test_p_values_of_few_blocks_are_uniform(blocks, seed):
    """With the χ² distribution instead of F, p < 0.01 would come 3 and 10 times as often as it should."""
    size = 6
    parts = [(correlated(size, 0.8), blocks[0]), (2 * correlated(size, 0.5), blocks[1])]
    found = results(1500, seed, *parts)
    assert {joint.dof for joint in found} == {size}
    reduced = np.array([joint.chi2 / joint.dof for joint in found])
    assert abs(reduced.mean() - 1) < 4.5 * reduced.std() / math.sqrt(1500) + 0.03  # ν is an estimate too
    p = np.array([joint.p_value for joint in found])
    assert distance_from_uniform(p) < 1.95
    assert abs((p < 0.01).sum() - 15) < 4.5 * math.sqrt(15)


def test_correlations_matter():
    """Five quantities with ρ = 0.95. The sum of squared σ takes them for independent, and is wrong both ways."""
    covariance = correlated(5, 0.95)
    (a, deviations), (b, others) = (estimates(covariance, 200, 1000, seed) for seed in (11, 12))
    p, naive = [], []
    for d, of_a, of_b in zip(a - b, deviations, others, strict=True):
        p.append(joint(d, [of_a, of_b]).p_value)
        naive.append(chi2.sf(np.sum(d**2 / ((of_a**2).sum(0) + (of_b**2).sum(0))), 5))
    assert distance_from_uniform(np.array(p)) < 1.95
    assert distance_from_uniform(np.array(naive)) > 4
    assert np.mean(np.array(naive) < 0.01) > 0.05
    # Two quantities that move together, one up and one down by 1.2 σ each, are 7.6 σ away.
    up_and_down = np.array([1.2, -1.2, 0, 0, 0]) * math.sqrt(2 / 200)
    assert joint(up_and_down, [deviations[0], others[0]]).p_value < 1e-9
    assert chi2.sf(2 * 1.2**2, 5) > 0.7
    # And all five up by 2 σ are no more than one quantity up by 2 σ.
    together = np.full(5, 2.0) * math.sqrt(2 / 200)
    assert joint(together, [deviations[0], others[0]]).p_value > 0.2
    assert chi2.sf(5 * 2.0**2, 5) < 0.002


def test_units_and_dependent_quantities_do_not_matter():
    (a, deviations), (b, others) = (estimates(correlated(4, 0.6), 50, 1, seed) for seed in (3, 4))
    d, parts = (a - b)[0], [deviations[0], others[0]]
    found = joint(d, parts)
    units = np.array([1e-6, 1.0, 30.0, 1e5])
    assert joint(d * units, [part * units for part in parts]) == pytest.approx(found, rel=1e-6)
    mixed = np.random.default_rng(1).normal(size=(4, 4))
    assert joint(d @ mixed, [part @ mixed for part in parts]) == pytest.approx(found, rel=1e-6)
    for seed in range(10):  # sums of the four tell nothing new, and a zero nothing at all
        sums = np.random.default_rng(seed).normal(size=(4, 3))
        more = np.concatenate([np.eye(4), sums, np.zeros((4, 1))], axis=1)
        assert joint(d @ more, [part @ more for part in parts]) == pytest.approx(found, rel=1e-6)


def test_with_few_blocks_directions_are_left_out():
    found = results(1500, 21, (correlated(9, 0.5), 6), (correlated(9, 0.5), 6))
    assert all(1 <= joint.dof <= joint.freedom / 2 <= 5 for joint in found)
    p = np.array([joint.p_value for joint in found])
    for level in (0.05, 0.01):  # on the safe side
        assert np.sum(p < level) < 1500 * level + 4.5 * math.sqrt(1500 * level)


def test_heavy_tails_cost_degrees_of_freedom():
    x = Noise(5).normal(0, (400, 3)).numpy()
    normal, heavy = (y - y.mean(axis=0) for y in (x, x**5))
    freedom = [joint(np.zeros(3), [y, y]).freedom for y in (normal, heavy)]
    assert 600 < freedom[0] <= 798
    assert freedom[1] < 80


def test_nothing_to_compare():
    for parts in ([np.zeros((5, 2))] * 2, [np.ones((2, 2)), np.zeros((2, 2))]):
        found = joint(np.ones(2), parts)
        assert found.dof == 0
        assert math.isnan(found.chi2)
        assert math.isnan(found.p_value)
    with pytest.raises(ValueError, match="must be finite"):
        joint(np.array([np.nan]), [np.ones((3, 1))] * 2)
