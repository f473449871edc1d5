"""Control variates: right in the mean, honest in their errors, and far less noisy."""

import numpy as np
import pytest

from core.noise import Noise
from core.schedule import VE
from core.statistics.control import control_variate, noise_removed
from core.statistics.cumulants import PowerSums

XI = float(VE(10.0).xi(1.0))
TWO_PEAKS = np.array([0, 0, 1.0625, 0, -2, 0, 16, 0, -272.0])
AT_END = TWO_PEAKS + np.array([0, 0, XI, 0, 0, 0, 0, 0, 0])
GAUSS = np.array([0, 0, XI, 0, 0, 0, 0, 0, 0])


def _sums(values) -> PowerSums:
    sums = PowerSums()
    sums.add(values)
    return sums


def _paths(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x_t and n_t of the variance-expanding process at t = 1, σ = 10."""
    noise = Noise(seed, "control")
    x0 = np.where(noise.uniform(0, (n,)).numpy() < 0.5, -1.0, 1.0) + 0.25 * noise.normal(1, (n,)).numpy()
    eta = np.sqrt(XI) * noise.normal(2, (n,)).numpy()
    return x0 + eta, eta


ESTIMATORS = {
    "difference": lambda x, n: control_variate(_sums(x), _sums(n), GAUSS, coefficient=1.0),
    "regression": lambda x, n: control_variate(_sums(x), _sums(n), GAUSS),
    "noise removed": lambda x, n: noise_removed(_sums(x - n), XI),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimates_are_right_and_their_errors_honest(name):
    """Over 200 seeds of 4000 paths: mean within 5σ of exact, mean error² within 40 % of the variance (the regression
    fits β to the same 64 blocks, which lowers its errors by a few per cent).
    """
    seeds = 200
    values, errors = np.empty((seeds, 9)), np.empty((seeds, 9))
    for seed in range(seeds):
        value, error = ESTIMATORS[name](*_paths(4000, seed))
        values[seed], errors[seed] = value[0], error[0]
    spread = values.std(axis=0)
    bias = np.abs(values.mean(axis=0) - AT_END)[1:]
    # cumulants of a finite sample are biased by up to a relative n²/N, far below one error
    assert np.all(bias < 5 * spread[1:] / np.sqrt(seeds) + np.abs(AT_END[1:]) * 64 / 4000)
    ratio = (errors**2).mean(axis=0)[1:] / spread[1:] ** 2
    assert np.all(np.abs(ratio - 1) < 0.4), ratio


def test_variance_reduction():
    """100 seeds of 2·10⁴ paths at t = 1, σ = 10: with the noise as control the fraction 1 - (Ξ/(κ_2 + Ξ))ⁿ of the
    variance is left, which is Cov(κ̂_n(x), κ̂_n(n_t)) = n! Ξⁿ/N. A ratio of two correlated variances from 100 values
    is known to about 20 %, less well for the skewed n = 8: within 60 %.
    """
    raw, controlled = np.empty((100, 9)), np.empty((100, 9))
    for seed in range(100):
        x, eta = _paths(20_000, seed)
        raw[seed] = _sums(x).cumulants().value[0]
        controlled[seed] = ESTIMATORS["difference"](x, eta).value[0]
    n = np.arange(1, 9)
    expected = 1 - (XI / (XI + 1.0625)) ** n
    left = controlled[:, 1:].var(axis=0) / raw[:, 1:].var(axis=0)
    np.testing.assert_allclose(left, expected, rtol=0.6)


def test_conservation_is_visible_once_the_noise_is_removed():
    """10⁵ paths at t = 1, σ = 10: κ_4, κ_6, κ_8 to 1 %, where the plain error exceeds the value."""
    x, eta = _paths(100_000, 1)
    raw = _sums(x).cumulants().error[0]
    value, error = noise_removed(_sums(x - eta), XI)
    for n in (4, 6, 8):
        assert raw[n] > abs(AT_END[n])
        assert error[0, n] < 0.01 * abs(AT_END[n])
        assert abs(value[0, n] - AT_END[n]) < 5 * error[0, n]


def test_noise_removed_keeps_its_digits_at_large_noise():
    """σ̃ = 10³: the pathwise difference still has κ_8 to 1e-8, where a difference of cumulants has nothing."""
    noise = Noise(8)
    x0, eta = noise.normal(0, (10_000,)).numpy() ** 2, 1e3 * noise.normal(1, (10_000,)).numpy()
    exact = _sums(x0).cumulants().value[0]
    value = noise_removed(_sums((x0 + eta) - eta), 1e6).value[0]
    np.testing.assert_allclose(value[3:], exact[3:], rtol=1e-8)
    assert value[2] == pytest.approx(exact[2] + 1e6, rel=1e-14)


def test_a_perfect_control_leaves_nothing():
    x = np.sqrt(XI) * Noise(2).normal(0, (10_000,)).numpy()
    value, error = control_variate(_sums(x), _sums(2 * x), GAUSS * 2.0 ** np.arange(9))
    np.testing.assert_allclose(value[0], GAUSS, atol=1e-9 * XI**4)
    np.testing.assert_allclose(error[0], 0, atol=1e-9 * XI**4)


def test_an_unrelated_control_does_no_harm():
    x = _paths(50_000, 3)[0]
    other = np.sqrt(XI) * Noise(99).normal(0, (50_000,)).numpy()
    raw = _sums(x).cumulants()
    value, error = control_variate(_sums(x), _sums(other), GAUSS)
    assert np.all(np.abs(value - raw.value) <= raw.error * 1.5)
    assert np.all(error <= raw.error * 1.0001)


def test_frames_and_symmetry():
    x, eta = _paths(2000, 4)
    both, controls = PowerSums(2), PowerSums(2)
    both.add_frames(np.stack([x, 2 * x]))
    controls.add_frames(np.stack([eta, 2 * eta]))
    exact = np.stack([GAUSS, GAUSS * 2.0 ** np.arange(9)])
    value, error = control_variate(both, controls, exact, symmetric=True)
    np.testing.assert_allclose(value[1], value[0] * 2.0 ** np.arange(9), rtol=1e-9)
    np.testing.assert_allclose(error[1], error[0] * 2.0 ** np.arange(9), rtol=1e-9)
    assert np.all(value[:, 1::2] == 0)
    removed = noise_removed(both, np.array([1.0, 2.0]))
    np.testing.assert_allclose(removed.value[:, 2] - both.cumulants().value[:, 2], [1, 2], rtol=1e-12)


def test_different_paths_are_refused():
    a, b = _sums(np.ones(10)), _sums(np.ones(11))
    with pytest.raises(ValueError, match="same paths"):
        control_variate(a, b, GAUSS)
    with pytest.raises(ValueError, match="same paths"):
        control_variate(a, PowerSums(blocks=8), GAUSS)
