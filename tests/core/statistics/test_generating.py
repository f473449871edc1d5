"""W[J] and Z[J]: exact laws, error bands, and the warning where few samples carry the average."""

import numpy as np
import pytest
import torch

from core.noise import Noise
from core.schedule import VE, VP
from core.statistics.generating import measured_generating, predicted_generating

J = np.linspace(-3, 3, 13)


def _two_peaks_W(J):
    return np.log(np.cosh(J)) + J**2 / 32


def _two_peaks(n: int, seed: int) -> np.ndarray:
    noise = Noise(seed, "W")
    return np.where(noise.uniform(0, (n,)).numpy() < 0.5, -1.0, 1.0) + 0.25 * noise.normal(1, (n,)).numpy()


def test_W_of_a_sample_is_the_logarithm_of_its_mean():
    x = _two_peaks(500, 0)
    got = measured_generating(torch.from_numpy(x)[:, None], J)
    direct = np.array([np.mean(np.exp(j * x)) for j in J])
    np.testing.assert_allclose(got.Z.value, direct, rtol=1e-12)
    np.testing.assert_allclose(got.W.value, np.log(direct), rtol=1e-12, atol=1e-14)
    weights = np.exp(J[:, None] * x)
    np.testing.assert_allclose(got.effective, weights.sum(1) ** 2 / (weights**2).sum(1), rtol=1e-12)
    assert got.W.value[6] == 0.0
    assert got.W.error[6] < 1e-15
    assert got.effective[6] == pytest.approx(500)


def test_bands_hold_the_exact_law():
    """300 seeds of 5000 samples: χ² of (W - exact)/error is 1 within 5 √(2/300) = 0.41 plus 2/64 for the blocks."""
    pulls = np.empty((2, 300, len(J)))
    for seed in range(300):
        got = measured_generating(_two_peaks(5000, seed), J)
        assert np.all(got.trusted())
        exact = _two_peaks_W(J)
        pulls[0, seed] = (got.W.value - exact) / np.where(J == 0, 1, got.W.error)
        pulls[1, seed] = (got.Z.value - np.exp(exact)) / np.where(J == 0, 1, got.Z.error)
    chi2 = (pulls**2).mean(axis=1)[:, J != 0]
    assert np.all(np.abs(chi2 - 1) < 0.45), chi2


def test_large_exponents_do_not_overflow():
    x = _two_peaks(1000, 1) * 1000
    got = measured_generating(x, np.array([-5.0, 5.0]))
    assert np.all(np.isfinite(got.W.value))
    assert got.W.value[1] == pytest.approx(5 * x.max() - np.log(1000), rel=1e-6)
    assert np.all(got.effective < 1.5)
    assert not got.trusted().any()
    assert np.all(np.isinf(got.Z.value))


def test_effective_number_tells_where_the_average_fails():
    """Normal data, W = J²/2: at J = 8 the weight sits at x = 8, where 10⁴ samples have nothing."""
    x = Noise(3).normal(0, (10_000,)).numpy()
    got = measured_generating(x, np.array([0.5, 1.0, 8.0]))
    np.testing.assert_allclose(got.effective[:2], 1e4 * np.exp(-np.array([0.25, 1.0])), rtol=0.2)
    assert list(got.trusted()) == [True, True, False]
    assert got.W.value[2] < 8**2 / 2 - 2


def test_prediction_at_every_time():
    """At t the law of two peaks is again two peaks: W = log cosh(f J) + ½ J² (f²/16 + Ξ)."""
    t = np.array([0.0, 0.2, 0.9])
    for schedule in (VE(10.0), VP(10.0)):
        f, xi = schedule.f(t)[:, None], schedule.xi(t)[:, None]
        expected = np.log(np.cosh(f * J)) + J**2 * (f**2 / 16 + xi) / 2
        np.testing.assert_allclose(predicted_generating(_two_peaks_W, schedule, J, t), expected, rtol=1e-13)
        assert predicted_generating(_two_peaks_W, schedule, J, 0.5).shape == J.shape


def test_derivatives_of_the_prediction_are_the_cumulants():
    h = 1e-3
    w = predicted_generating(_two_peaks_W, VE(10.0), np.array([-h, 0, h]), 0.4)
    assert (w[0] - 2 * w[1] + w[2]) / h**2 == pytest.approx(1.0625 + float(VE(10.0).xi(0.4)), rel=1e-5)


def test_too_few_samples():
    with pytest.raises(ValueError, match="at least two samples, got 1"):
        measured_generating(np.zeros(1), J)
