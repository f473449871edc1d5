"""τ_int against AR(1), which is known exactly, and against pyerrors on the same series."""

import numpy as np
import pyerrors
import pytest

from core.statistics.autocorrelation import integrated_time
from tests.core.statistics.synthetic import autoregressive


@pytest.mark.parametrize(
    ("a", "chains", "draws"), [(0.0, 1, 20_000), (0.5, 4, 20_000), (0.9, 8, 20_000), (0.95, 200, 800)]
)
def test_autoregressive_process(a, chains, draws):
    found = integrated_time(autoregressive(a, chains, draws, 11))
    tau = 0.5 * (1 + a) / (1 - a)
    assert abs(found.tau - tau) < 4 * found.tau_error
    assert found.tau_error < 0.1 * tau
    mean_error = np.sqrt(2 * tau / (chains * draws))
    assert found.mean_error == pytest.approx(mean_error, rel=0.1)
    assert abs(found.mean) < 4 * mean_error
    lags = np.arange(10)
    np.testing.assert_allclose(found.rho[:10], a**lags, atol=0.05)


def test_errors_have_the_right_size():
    # Over 200 independent series the pulls of mean and τ_int have unit width (to 20 %, 4 standard errors of it).
    a, tau = 0.8, 4.5
    runs = [integrated_time(series) for series in autoregressive(a, 200, 4000, 3)]
    pulls = np.array([r.mean / r.mean_error for r in runs])
    assert abs(pulls.std() - 1) < 0.2
    pulls = np.array([(r.tau - tau) / r.tau_error for r in runs])
    assert abs(pulls.std() - 1) < 0.35
    assert abs(pulls.mean()) < 0.5  # the window's bias is below half an error


@pytest.mark.parametrize("a", [0.0, 0.7, 0.93])
def test_agrees_with_pyerrors(a):
    series = autoregressive(a, 1, 10_000, 5)[0]
    obs = pyerrors.Obs([series], ["chain"])
    obs.gamma_method(S=1.5)
    found = integrated_time(series, stiffness=1.5)
    assert found.window == obs.e_windowsize["chain"]
    assert found.mean == pytest.approx(obs.value, abs=1e-14)
    # Both correct for the estimated mean to order 1/N, but not in the same form: 2 (τ - ½)/N = 0.3 % is left here.
    assert found.tau == pytest.approx(obs.e_tauint["chain"], rel=5e-3)
    assert found.tau_error == pytest.approx(obs.e_dtauint["chain"], rel=2e-2)
    assert found.mean_error == pytest.approx(obs.dvalue, rel=5e-3)


def test_chains_stuck_in_different_places_have_a_long_time():
    series = autoregressive(0.0, 10, 200, 2) + 5.0 * np.repeat([[1.0], [-1.0]], 5, axis=0)
    found = integrated_time(series)
    assert found.tau > 40
    assert found.window == 100


def test_one_chain_needs_no_axis():
    series = autoregressive(0.5, 1, 500, 1)
    assert integrated_time(series[0]).tau == integrated_time(series).tau


def test_constant_series():
    found = integrated_time(np.full((3, 50), 2.5))
    assert (found.tau, found.mean, found.mean_error) == (0.5, 2.5, 0.0)


def test_bad_series_are_named():
    with pytest.raises(ValueError, match="at least four draws"):
        integrated_time(np.zeros((5, 3)))
    with pytest.raises(ValueError, match="series must be finite"):
        integrated_time(np.array([1.0, 2.0, np.nan, 3.0]))
