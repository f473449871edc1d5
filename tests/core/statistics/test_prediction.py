"""Predicted cumulants and the expected noise of measured ones."""

from math import factorial

import numpy as np
import pytest

from core.noise import Noise
from core.schedule import VE, VP, Cosine, Tabulated
from core.statistics.cumulants import PowerSums
from core.statistics.prediction import cumulant_errors, cumulant_noise, is_only_noise, predicted_cumulants

ASYMMETRIC = np.array([0, 0.3, 1.2, -0.7, 1.1, 2.0, -3.0, 4.0, 5.0])


def _two_peak_cumulants(order: int) -> np.ndarray:
    """W = log cosh J + J²/32: κ_n from the Taylor series of tanh, plus the width."""
    tanh = np.zeros(order)  # Taylor coefficients, from tanh' = 1 - tanh²
    for n in range(1, order):
        square = sum(tanh[i] * tanh[n - 1 - i] for i in range(n))
        tanh[n] = ((n == 1) - square) / n
    kappa = np.array([0.0] + [tanh[n - 1] * factorial(n - 1) for n in range(1, order + 1)])
    kappa[2] += 1 / 16
    return kappa


@pytest.mark.parametrize("schedule", [VE(10.0), VP(10.0), Cosine(), Tabulated()], ids=lambda s: s.name)
def test_prediction_term_by_term(schedule):
    t = np.array([[0.0, 0.1], [0.5, 0.9]])
    kappa = predicted_cumulants(ASYMMETRIC, schedule, t)
    assert kappa.shape == (2, 2, 9)
    f, xi = schedule.f(t), schedule.xi(t)
    np.testing.assert_allclose(kappa[..., 1], 0.3 * f, rtol=1e-14)
    np.testing.assert_allclose(kappa[..., 2], 1.2 * f**2 + xi, rtol=1e-14)
    for n in range(3, 9):
        np.testing.assert_allclose(kappa[..., n], ASYMMETRIC[n] * f**n, rtol=1e-12)
    np.testing.assert_array_equal(kappa[0, 0], ASYMMETRIC)
    assert predicted_cumulants(ASYMMETRIC, schedule, 0.5).shape == (9,)


def test_expanding_process_conserves_and_preserving_process_forgets():
    late = predicted_cumulants(ASYMMETRIC, VE(10.0), 1.0)
    np.testing.assert_array_equal(late[3:], ASYMMETRIC[3:])
    forgotten = predicted_cumulants(ASYMMETRIC, VP(10.0), 1.0)
    np.testing.assert_allclose(forgotten, [0, 0, 1, 0, 0, 0, 0, 0, 0], atol=3e-3)


def test_prediction_is_what_the_process_does():
    """x = f x_0 + √Ξ η with a sign for x_0, N = 2·10⁵: within 5 measured σ."""
    noise, schedule, t, n = Noise(1), VP(10.0), 0.2, 200_000
    x0 = np.where(noise.uniform(0, (n,)).numpy() < 0.3, -1.0, 1.0) + 0.25 * noise.normal(1, (n,)).numpy()
    x = float(schedule.f(t)) * x0 + np.sqrt(float(schedule.xi(t))) * noise.normal(2, (n,)).numpy()
    sums = PowerSums()
    sums.add(x)
    value, error = sums.cumulants()
    m, q = 0.4, 0.84  # mean and 4p(1-p) of the sign
    kappa0 = np.array([0, m, q + 1 / 16, -2 * m * q, -2 * q + 6 * q * m**2])
    expected = predicted_cumulants(kappa0, schedule, t)
    assert np.all(np.abs(value[0, 1:5] - expected[1:]) < 5 * error[0, 1:5])


def test_gaussian_noise_formula():
    assert float(cumulant_noise(8, 22.56, 1e5)) == pytest.approx(np.sqrt(40320 / 1e5) * 22.56**4, rel=1e-14)
    table = cumulant_noise(np.arange(9), np.array([[1.0], [4.0]]), 1e6)
    assert table.shape == (2, 9)
    np.testing.assert_allclose(table[1] / table[0], 2.0 ** np.arange(9))
    gauss = np.zeros(17)
    gauss[2] = 1.7
    np.testing.assert_allclose(cumulant_errors(gauss, 1e6)[1:], cumulant_noise(np.arange(1, 9), 1.7, 1e6), rtol=1e-12)


def test_general_errors_have_the_classical_low_orders():
    """N Var κ̂_1 = κ_2, N Var κ̂_2 = κ_4 + 2κ_2², N Var κ̂_3 = κ_6 + 9κ_4κ_2 + 9κ_3² + 6κ_2³ (Kendall and Stuart)."""
    k = ASYMMETRIC
    variance = 1000 * cumulant_errors(k, 1000, order=3) ** 2
    expected = [0, k[2], k[4] + 2 * k[2] ** 2, k[6] + 9 * k[4] * k[2] + 9 * k[3] ** 2 + 6 * k[2] ** 3]
    np.testing.assert_allclose(variance, np.maximum(expected, 0), rtol=1e-12)


def test_general_errors_are_the_influence_function_of_a_sign():
    """For x = ±1 all A_n(x) are known by parity: odd n have A_n = κ_{n+1} x, even n have A_n = 0."""
    kappa = _two_peak_cumulants(16)
    kappa[2] -= 1 / 16
    variance = cumulant_errors(kappa, 1.0) ** 2
    # e^{Jx}/cosh J = 1 + x tanh J for x = ±1: A_n = x κ_{n+1} for odd n, else 0
    expected = np.array([kappa[n + 1] ** 2 if n % 2 else 0.0 for n in range(9)])
    np.testing.assert_allclose(variance, expected, rtol=1e-6, atol=1e-3)


def test_errors_agree_with_the_measured_spread():
    """400 samples of 5000 two-peak numbers: spread of κ̂_n against both formulas.

    The variance of 400 values is known to √(2/400) = 7 % (wider for the skewed high orders): within 30 %. The
    Gaussian formula is wrong here, by a factor of 4 or more in the variance of κ̂_4.
    """
    seeds, n = 400, 5000
    values = np.empty((seeds, 9))
    for seed in range(seeds):
        noise = Noise(seed)
        x = np.where(noise.uniform(0, (n,)).numpy() < 0.5, -1.0, 1.0) + 0.25 * noise.normal(1, (n,)).numpy()
        sums = PowerSums()
        sums.add(x)
        values[seed] = sums.cumulants().value[0]
    spread = values.var(axis=0)[1:]
    np.testing.assert_allclose(spread / cumulant_errors(_two_peak_cumulants(16), n)[1:] ** 2, 1.0, atol=0.3)
    assert spread[3] < cumulant_noise(4, 1.0625, n) ** 2 / 4


def test_only_noise():
    """Two peaks, VE σ = 10, N = 10⁶: κ_8 drowns on the way, κ_2 never, κ_3 = 0 always."""
    kappa = predicted_cumulants(_two_peak_cumulants(8), VE(10.0), np.array([0.0, 0.1, 1.0]))
    noisy = is_only_noise(kappa, 1e6)
    assert noisy.shape == (3, 9)
    assert list(noisy[:, 8]) == [False, False, True]
    assert not noisy[:, 2].any()
    assert noisy[:, 3].all()
    per_time = is_only_noise(kappa, np.array([1e6, 4, 1e20]))
    assert list(per_time[:, 8]) == [False, True, False]
    # exactly at the threshold of 2σ: |κ_4| = 2 √(24/N) κ_2² with N = 9600 and κ_2 = 1 is 0.1
    at = np.array([[0, 0, 1, 0, 0.0999], [0, 0, 1, 0, 0.1001]])
    assert list(is_only_noise(at, 9600)[:, 4]) == [True, False]


def test_too_few_cumulants():
    with pytest.raises(ValueError, match="need cumulants to order 16, got 8"):
        cumulant_errors(ASYMMETRIC, 100)
