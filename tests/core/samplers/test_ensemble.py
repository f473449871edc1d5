"""Ensembles made on the spot: equilibrium values of arXiv:2309.17082's theory on 32²."""

import numpy as np
import pytest
import torch

from core.contracts import Cancelled
from core.jobs import Token
from core.noise import Noise
from core.samplers.ensemble import Thermalisation, thermalise, tuned_step_size
from core.statistics.autocorrelation import integrated_time
from core.statistics.cumulants import PowerSums
from core.statistics.lattice import binder, magnetisation, susceptibility
from core.theories.phi4 import Phi4

SIGMAS = 4.5
# Equilibrium on 32² at λ = 0.022, from cluster and local updates, with standard errors.
ABS_M = {0.21: (0.0402, 0.0002), 0.27: (0.625, 0.004), 0.40: (3.74829, 0.00013)}
PHI2 = {0.21: (0.62203, 0.00014), 0.27: (1.394, 0.003), 0.40: (14.2466, 0.0010)}
CHI = {0.21: (0.944, 0.009), 0.27: (70.8, 0.6), 0.40: (0.418, 0.003)}
BINDER = {0.21: (-0.006, 0.006), 0.27: (0.524, 0.003), 0.40: (0.666628, 0.000001)}
KURTOSIS = {0.21: (-0.1641, 0.0006), 0.27: (-0.695, 0.003), 0.40: (-1.94623, 0.00001)}


def last_of(reports):
    *_, last = reports
    return last


def agrees(value, error, table):
    expected, uncertainty = table
    return abs(value - expected) < SIGMAS * np.hypot(error, uncertainty)


@pytest.mark.parametrize("kappa", [0.21, 0.40])
def test_equilibrium(kappa):
    last = last_of(thermalise(Phi4(32, kappa, 0.022), 128, Noise(1), trajectories=120, every=40))
    assert 0.65 < last.acceptance < 0.92
    assert last.drift() < SIGMAS
    for history, table in ((np.abs(last.magnetisation), ABS_M), (last.phi_squared, PHI2)):
        found = integrated_time(history[:, 50:])
        assert found.mean_error < 0.02 * found.mean
        assert agrees(found.mean, found.mean_error, table[kappa])


@pytest.mark.slow
@pytest.mark.parametrize("kappa", [0.21, 0.27, 0.40])
def test_equilibrium_of_the_whole_table(kappa):
    last = last_of(thermalise(Phi4(32, kappa, 0.022), 2048, Noise(2), trajectories=500, every=100))
    for history, table in ((np.abs(last.magnetisation), ABS_M), (last.phi_squared, PHI2)):
        found = integrated_time(history[:, -200:])
        assert agrees(found.mean, found.mean_error, table[kappa])
    m = magnetisation(last.fields).numpy()
    assert agrees(*susceptibility(m, 1024), CHI[kappa])
    assert agrees(*binder(m), BINDER[kappa])
    sums = PowerSums(run=1)
    sums.add(last.fields)
    kurtosis = sums.jackknife(lambda m: m[..., 4:5] / m[..., 2:3] ** 2 - 3, symmetric=True)
    ratio, error = kurtosis.estimate
    assert agrees(ratio.item(), error.item(), KURTOSIS[kappa])


def test_chains_do_not_depend_on_their_number():
    theory = Phi4(8, 0.27, 0.022)
    few, many = (last_of(thermalise(theory, n, Noise(3), trajectories=40)) for n in (5, 40))
    assert few.step_size == many.step_size
    torch.testing.assert_close(few.fields, many.fields[:5], rtol=0, atol=0)


def test_reports_show_the_way_into_equilibrium():
    reports = list(thermalise(Phi4(8, 0.27, 0.022), 20, Noise(1), trajectories=70, every=20))
    assert [r.done for r in reports] == [20, 30, 50, 70]
    assert [r.finished for r in reports] == [False, False, False, True]
    assert reports[-1].magnetisation.shape == reports[-1].phi_squared.shape == (20, 70)
    assert reports[0].acceptance == 1.0  # the warm-up takes every trajectory
    np.testing.assert_allclose(reports[-1].magnetisation[:, -1], magnetisation(reports[-1].fields))


def test_drift_is_of_order_one_at_rest_and_large_on_the_move():
    noise = Noise(1).normal(0, (2, 100, 40)).numpy()
    moving = noise[1] - 0.1 * np.arange(40)  # falls by one standard deviation between the quarters

    def drift(phi2):
        return Thermalisation(40, 40, torch.zeros(100, 2, 2), noise[0], phi2, 1.0, 0.1, 10).drift()

    assert drift(noise[1]) < SIGMAS
    expected = 1 / np.sqrt(2 / 10 / 100)  # quarters of ten draws, a hundred chains
    assert drift(moving) == pytest.approx(expected, abs=SIGMAS)
    assert Thermalisation(3, 40, torch.zeros(100, 2, 2), noise[0], noise[1], 1.0, 0.1, 10).drift() == np.inf


@pytest.mark.parametrize("kappa", [0.0, 0.27, 0.5])
def test_step_size_is_tuned(kappa):
    assert 0.05 < tuned_step_size(Phi4(8, kappa, 0.022), Noise(1)) < 0.6


def test_token_stops_thermalisation():
    token = Token()
    reports = thermalise(Phi4(8, 0.2, 0.022), 10, Noise(1), trajectories=100, token=token)
    next(reports)
    token.cancel()
    with pytest.raises(Cancelled):
        next(reports)


def test_one_chain_is_too_few():
    with pytest.raises(ValueError, match="chains must be at least 2, got 1"):
        next(thermalise(Phi4(8, 0.2, 0.022), 1, Noise(1)))


@pytest.mark.parametrize(("kappa", "lam"), [(0.249, 0.0), (0.3, 0.001), (1.0, 0.022), (0.3, 10.0)])
def test_unusual_couplings_thermalise(kappa, lam):
    theory = Phi4(8, kappa, lam)
    last = last_of(thermalise(theory, 50, Noise(1), trajectories=60))
    assert 0.6 < last.acceptance < 0.95
    assert np.abs(magnetisation(last.fields)).max() < theory.classical_minimum + 6
