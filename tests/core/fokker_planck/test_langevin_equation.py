"""The Langevin equation: its stationary law, its relaxation, and the clock that g(t) sets."""

import numpy as np
import pytest
import torch

from core.fokker_planck import NormalDensity, UniformDensity, solve_langevin
from core.theories.mixture import GaussianMixture

TWO_PEAKS = GaussianMixture((0.5, 0.5), (-0.6, 0.6), (0.4, 0.4))


def gaussian(mean, std):
    return GaussianMixture((1.0,), (mean,), (std,))


def normalised_weight(target, solution, power=1.0):
    """exp(-power S) at the centres, with mass one."""
    weight = np.exp(-power * target.action(torch.from_numpy(solution.x[-1][:, None])).numpy())
    return weight / (weight.sum() * solution.volume[-1])


@pytest.mark.parametrize("order", [1, 2])
def test_ends_in_exp_minus_the_action_and_not_in_its_square(order):
    solution = solve_langevin(TWO_PEAKS, [0.0, 1.0, 1e3], NormalDensity([1.5], 0.01), order=order)
    np.testing.assert_allclose(solution.density[-1], normalised_weight(TWO_PEAKS, solution), rtol=1e-10)
    squared = normalised_weight(TWO_PEAKS, solution, power=2.0)
    assert np.abs(solution.density[-1] - squared).sum() * solution.volume[-1] > 0.1
    assert solution.covariance[-1, 0, 0] == pytest.approx(TWO_PEAKS.covariance[0, 0], rel=1e-4)
    assert np.all(solution.density >= 0)
    np.testing.assert_allclose(solution.mass, 1.0, rtol=0, atol=1e-12)


def test_stationary_law_in_two_dimensions():
    target = GaussianMixture((0.6, 0.4), ((0.0, 0.5), (0.8, -0.5)), (0.5, 0.4))
    solution = solve_langevin(target, [0.0, 1.0, 1e3], UniformDensity((-1.0, -1.0), (0.0, 1.0)), cells=48)
    points = np.stack(np.meshgrid(solution.x[-1], solution.y[-1], indexing="ij"), axis=-1).reshape(-1, 2)
    weight = np.exp(-target.action(torch.from_numpy(points)).numpy()).reshape(48, 48)
    weight /= weight.sum() * solution.volume[-1]
    np.testing.assert_allclose(solution.density[-1], weight, rtol=1e-9)


@pytest.mark.parametrize("dim", [1, 2])
def test_ornstein_uhlenbeck(dim):
    # S = (x - m)²/2s² per axis: M(t) = m + (M_0 - m) e^{-t/s²}, V(t) = s² + (V_0 - s²) e^{-2t/s²} in Parisi–Wu time.
    m, s, m0, v0 = 0.5, 0.8, 2.0, 0.1
    target = gaussian(m, s) if dim == 1 else gaussian((m, -m), s)
    sign = np.array([1.0, -1.0])[:dim]
    times = np.array([0.0, 0.05, 0.2, 0.7, 2.0])
    cells = {1: 600, 2: 120}[dim]
    solution = solve_langevin(target, times, NormalDensity(m0 * sign, v0), cells=cells, substeps=6)
    decay = np.exp(-times / s**2)
    h2 = (solution.x[0, 1] - solution.x[0, 0]) ** 2
    np.testing.assert_allclose(solution.mean, np.outer(m + (m0 - m) * decay, sign), atol=0.3 * h2 + 1e-4)
    variance = s**2 + (v0 - s**2) * decay**2
    for axis in range(dim):
        np.testing.assert_allclose(solution.covariance[:, axis, axis], variance, atol=1.0 * h2 + 1e-4)
    if dim == 2:
        np.testing.assert_allclose(solution.covariance[:, 0, 1], 0.0, atol=1e-9)
    assert np.all(solution.density >= 0)


def test_noise_strength_changes_the_clock_and_nothing_else():
    start = NormalDensity([1.0], 0.05)
    times = np.linspace(0.0, 1.0, 6)
    driven = solve_langevin(TWO_PEAKS, times, start, g=lambda t: 1 + t)
    clock = ((1 + times) ** 3 - 1) / 6  # ½ ∫ g² dt
    plain = solve_langevin(TWO_PEAKS, clock, start)
    np.testing.assert_allclose(driven.density, plain.density, rtol=1e-9, atol=1e-15)


def test_default_is_parisi_wu_time():
    start, times = NormalDensity([1.0], 0.05), [0.0, 0.3]
    plain = solve_langevin(TWO_PEAKS, times, start)
    driven = solve_langevin(TWO_PEAKS, times, start, g=lambda t: np.full_like(t, np.sqrt(2)))
    np.testing.assert_allclose(driven.density, plain.density, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("order", [1, 2])
def test_stated_order_in_time(order):
    start = NormalDensity([2.0], 0.05)
    reference = solve_langevin(TWO_PEAKS, [0.0, 0.2], start, cells=200, substeps=128).density[-1]
    errors = [
        np.abs(
            solve_langevin(TWO_PEAKS, [0.0, 0.2], start, cells=200, substeps=n, order=order).density[-1] - reference
        ).sum()
        for n in (4, 8, 16)
    ]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(slopes - order) < 0.15), (errors, slopes)


def test_refuses_bad_arguments():
    start = NormalDensity([0.0], 1.0)
    with pytest.raises(ValueError, match="times of the Langevin process must rise"):
        solve_langevin(TWO_PEAKS, [1.0, 0.0], start)
    with pytest.raises(ValueError, match="must be finite at all times"):
        solve_langevin(TWO_PEAKS, [0.0, 1.0], start, g=lambda t: t / 0.0 if np.isscalar(t) else np.full_like(t, np.nan))
    with pytest.raises(ValueError, match="vanishes on the grid"):
        solve_langevin(TWO_PEAKS, [0.0, 1.0], lambda x: np.zeros(len(x)))
    with pytest.raises(ValueError, match="finite and not negative"):
        solve_langevin(TWO_PEAKS, [0.0, 1.0], lambda x: x[:, 0])
