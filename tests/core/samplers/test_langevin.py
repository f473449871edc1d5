"""Langevin and MALA against the oscillator, solved by hand at every step size, and the quartic double well."""

import math

import numpy as np
import pytest
import torch

from core.contracts import Theory
from core.noise import Noise
from core.samplers import driver, langevin, mala
from core.samplers.step_size import Extrapolation, StepSizeScan, extrapolate, mean_square, step_size_scan
from core.schedule import VE
from core.theories.mixture import GaussianMixture
from core.theories.potential import Quartic
from tests.core.samplers.gaussian_theory import Oscillator

QUARTIC_PHI2 = 13.673034  # ⟨φ²⟩ for μ² = -1, g = 0.4
SIGMAS = 4.5
SQUARE = {"x2": mean_square}


def measured(state, step, steps, thermalisation, seed=1):
    return driver.record(state, step, Noise(seed), steps, SQUARE, thermalisation).autocorrelation("x2")


def test_targets_and_oscillator_are_theories():
    assert isinstance(Oscillator(), Theory)
    assert isinstance(Quartic(-1.0, 0.4), Theory)
    assert isinstance(GaussianMixture((0.5, 0.5), (-1.0, 1.0), (0.25, 0.25)), Theory)


@pytest.mark.parametrize("epsilon_omega", [0.1, 0.5, 1.2])
def test_stationary_variance_at_finite_step_size(epsilon_omega):
    # x' = (1 - εω) x + √(2ε) η has the variance 1/(ω (1 - εω/2)); ω alone would give 1/ω, and exp(-2S) 1/(2ω).
    omega = 2.0
    epsilon = epsilon_omega / omega
    state = langevin.init(Oscillator(omega), torch.zeros(2000, 1, dtype=torch.float64), epsilon)
    found = measured(state, langevin.step, 300, 100)
    exact = 1 / (omega * (1 - epsilon_omega / 2))
    assert abs(found.mean - exact) < SIGMAS * found.mean_error
    assert abs(found.mean - 1 / omega) > 5 * found.mean_error
    assert abs(found.mean - 1 / (2 * omega)) > 50 * found.mean_error


def test_variance_follows_the_exact_recursion_in_the_clock_of_any_noise_strength():
    # g(t) changes the clock only: h = ½ g² ε, v ← (1 - hω)² v + 2h, and the clock is the sum of the h.
    omega, epsilon, strength = 1.5, 0.01, VE(4.0).g
    x = torch.full((100_000, 1), 2.0, dtype=torch.float64)
    frame = next(
        driver.frames(
            langevin.init(Oscillator(omega), x, epsilon, strength), langevin.step, Noise(3), 60, observables=SQUARE
        )
    )
    v, clock, expected, clocks = 4.0, 0.0, [], []
    for i in range(60):
        h = 0.5 * float(strength(i * epsilon)) ** 2 * epsilon
        v, clock = (1 - h * omega) ** 2 * v + 2 * h, clock + h
        expected.append(v)
        clocks.append(clock)
    np.testing.assert_allclose(frame.clock, clocks, rtol=1e-12)
    values = frame.series["x2"]
    error = values.std(axis=0) / math.sqrt(len(values))
    assert np.all(np.abs(values.mean(axis=0) - expected) < SIGMAS * error)


def test_strength_of_unit_noise_is_the_same_process_with_half_the_clock():
    # ẋ = K/2 + η: ε is twice the Parisi-Wu step, chain by chain.
    x = torch.linspace(-2, 2, 50, dtype=torch.float64)[:, None]
    plain = langevin.init(Quartic(-1.0, 0.4), x, 0.05)
    half = langevin.init(Quartic(-1.0, 0.4), x, 0.1, lambda t: 1.0)
    for _ in range(40):
        plain, _ = langevin.step(plain, Noise(5))
        half, _ = langevin.step(half, Noise(5))
    torch.testing.assert_close(plain.x, half.x, rtol=1e-12, atol=1e-12)
    assert half.clock == pytest.approx(plain.clock)


@pytest.mark.parametrize("epsilon", [0.3, 1.0])
def test_mala_has_no_step_size_bias(epsilon):
    omega = 2.0
    state = mala.init(Oscillator(omega), torch.zeros(2000, 1, dtype=torch.float64), epsilon)
    found = measured(state, mala.step, 400, 100)
    assert abs(found.mean - 1 / omega) < SIGMAS * found.mean_error
    assert found.mean_error < 0.01


def test_mala_keeps_detailed_balance_of_a_proposal():
    # log A of x → y is minus that of y → x.
    theory, epsilon = Quartic(-1.0, 0.4), 0.2
    x = torch.linspace(-5, 5, 41, dtype=torch.float64)[:, None]
    state = mala.init(theory, x, epsilon)
    eta = Noise(2).normal(0, (41, 1))
    y = x + epsilon * theory.force(x) + math.sqrt(2 * epsilon) * eta
    _, info = mala.step(state, Noise(2))
    back = (x - y - epsilon * theory.force(y)).square().sum(1)
    there = (y - x - epsilon * theory.force(x)).square().sum(1)
    by_hand = theory.action(x) - theory.action(y) + (there - back) / (4 * epsilon)
    torch.testing.assert_close(info.log_ratio, by_hand)


def test_quartic_by_mala():
    theory = Quartic(-1.0, 0.4)
    start = theory.sample(1000, Noise(7))
    found = measured(mala.init(theory, start, 0.3), mala.step, 1500, 50)
    assert found.mean_error < 0.02
    assert abs(found.mean - QUARTIC_PHI2) < SIGMAS * found.mean_error


def test_quartic_step_size_bias_extrapolates_to_the_exact_value():
    theory = Quartic(-1.0, 0.4)
    start = theory.sample(1000, Noise(8))
    scan = step_size_scan(theory, (0.05, 0.1, 0.15, 0.2, 0.25), start, 120.0, 10.0, Noise(9))
    fit = extrapolate(scan, 2)
    assert abs(scan.value[-1] - QUARTIC_PHI2) > 10 * scan.error[-1]  # the bias is there to be seen
    assert fit.error < 0.05
    assert abs(fit.value - QUARTIC_PHI2) < SIGMAS * fit.error
    assert fit.p_value > 1e-3


def test_extrapolation_of_an_exact_parabola():
    eps = np.array([0.1, 0.2, 0.3, 0.4])
    fit = extrapolate(StepSizeScan(eps, 1 + 2 * eps + 3 * eps**2, np.full(4, 0.1), np.ones(4)), 2)
    assert isinstance(fit, Extrapolation)
    np.testing.assert_allclose(fit.coefficients, [1, 2, 3], rtol=1e-9)
    assert fit.chi2 < 1e-18
    assert fit.degrees_of_freedom == 1
    value, error = fit.band(np.array([0.0, 0.25]))
    np.testing.assert_allclose(value, [1, 1 + 0.5 + 3 / 16], rtol=1e-9)
    assert error[0] == pytest.approx(fit.error)


def test_constant_fit_is_the_weighted_mean():
    fit = extrapolate(StepSizeScan(np.array([0.1, 0.2]), np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.ones(2)), 0)
    assert fit.value == pytest.approx(1.2)
    assert fit.error == pytest.approx(math.sqrt(0.8))


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_runaway_is_caught():
    state = langevin.init(Quartic(-1.0, 0.4), torch.full((10, 1), 8.0, dtype=torch.float64), 1.0)
    with pytest.raises(FloatingPointError, match=r"ran away at step \d+: ε = 1 is too large"):
        driver.record(state, langevin.step, Noise(1), 100, SQUARE)


@pytest.mark.parametrize("epsilon", [0.0, -0.1, math.nan, math.inf])
@pytest.mark.parametrize("sampler", [langevin, mala])
def test_bad_step_size_is_named(sampler, epsilon):
    with pytest.raises(ValueError, match="epsilon must be a positive finite number, got"):
        sampler.init(Oscillator(), torch.zeros(2, 1), epsilon)


def test_too_few_points_for_a_fit():
    scan = StepSizeScan(np.array([0.1]), np.array([1.0]), np.array([1.0]), np.ones(1))
    with pytest.raises(ValueError, match="needs 2 step sizes, got 1"):
        extrapolate(scan, 1)
